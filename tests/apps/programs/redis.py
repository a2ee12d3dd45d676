"""redis-server with redis-benchmark, both under the subject: both stand on redis' event loop."""
import re
import socket

from harness import ANSWER_SECONDS, Failure

SERVER, BENCHMARK = "/usr/bin/redis-server", "/usr/bin/redis-benchmark"


class Client:
    """One connection of the driver's own."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def ask(self, *words):
        """Returns a string, an integer or None; errors and anything larger are failures."""
        parts = [str(word).encode() for word in words]
        request = b"*%d\r\n" % len(parts)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self.socket.sendall(request)
            line = self.reader.readline()
            kind, rest = line[:1], line[1:].strip().decode()
            if kind == b"$":
                return self.reader.read(int(rest) + 2)[:-2].decode() if rest != "-1" else None
        except OSError as error:
            raise Failure(f"redis-server does not answer {words[0]}: {error}") from error
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        raise Failure(f"redis-server answers {words[0]} with {line!r}")

    def info(self, section):
        pairs = (line.partition(":") for line in self.ask("INFO", section).splitlines())
        return {name: value for name, _, value in pairs if value}


def benchmark(room, port, name, *options):
    """The names of the tests in the table, and that nothing else was said, are facts."""
    said = room.run(
        f"redis-benchmark {name}", [BENCHMARK, "-p", port, "--csv", *options]
    ).splitlines()
    room.fact(f"tests of {name}", [line.split(",")[0] for line in said])


def look_at(room, client):
    """What redis-server counted. Times and sizes are left out."""
    stats = client.info("stats")
    for name in ("rejected_connections", "total_error_replies"):
        room.must(name, stats.get(name), "0")
    calls = {
        name: re.sub(r"usec=\d+,usec_per_call=[\d.]+,", "", value)
        for name, value in client.info("commandstats").items()
    }
    calls.pop("cmdstat_info", None)
    room.fact("commands", calls)
    room.fact("keys", client.ask("DBSIZE"))


def save_in_background(room, client):
    """A fork of the server: its child ends by itself, and the server goes on."""
    client.ask("BGSAVE")
    while (persistence := client.info("persistence")).get("rdb_bgsave_in_progress") == "1":
        pass
    room.must("background save", persistence.get("rdb_last_bgsave_status"), "ok")


def start(room, native=False):
    """Returns the server and its port."""
    port = room.port()
    options = ["--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", room.path]
    command = [SERVER, *options, "--maxclients", 1000]
    ready = "Ready to accept connections"
    return room.start("redis-server", command, ready=ready, native=native), port


def play(room):
    server, port = start(room)
    requests = room.count(5000, 100000)
    tests = "ping,set,get,incr,lpush,rpop,sadd,hset,mset"
    benchmark(room, port, "keep-alive", "-n", requests, "-t", tests)
    benchmark(room, port, "pipeline", "-n", requests, "-t", tests, "-P", 16)
    benchmark(room, port, "reconnecting", "-n", room.count(1000, 10000), "-t", "ping,set", "-k", 0)
    benchmark(room, port, "threads", "-n", requests, "-t", "set,get", "--threads", 2)
    with Client(port) as client:
        save_in_background(room, client)
        benchmark(room, port, "after a save", "-n", requests, "-t", "set,get")
        look_at(room, client)
    room.stop(server)
    bad = re.findall(r"^.*(?:BUG|crash|epoll|[Ee]rror).*$", server.text(), re.MULTILINE)
    room.must("log of redis-server", bad, [])
    room.summary = f"{requests} requests of each of 9 kinds"
