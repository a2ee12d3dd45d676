"""memcached with four threads; the client is here, and every reply is checked.

A connection goes to one thread for its life, so several are open at a time, and many come and go.
"""
import os
import random
import socket
import time

from harness import ANSWER_SECONDS, Failure
from programs import web

MEMCACHED = "/usr/bin/memcached"
GONE_SECONDS = 60
LARGE = 500 * 1000  # does not fit into a socket's buffers


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self.reader = self.socket.makefile("rb")

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Failure(f"memcached does not read: {error}") from error

    def expect(self, data):
        """Reads as many bytes as these are; they have to be these."""
        try:
            said = self.reader.read(len(data))
        except OSError as error:
            raise Failure(f"memcached does not answer: {error}, not {data[:60]!r}") from error
        if said != data:
            raise Failure(f"memcached answers {said[:60]!r}, not {data[:60]!r}")

    def exchange(self, request, reply):
        self.send(request)
        self.expect(reply)

    def expect_end(self):
        try:
            said = self.reader.read(1)
        except OSError as error:
            raise Failure(f"memcached does not close a connection: {error}") from error
        if said:
            raise Failure(f"memcached goes on with {said!r}")

    def stats(self):
        self.send(b"stats\r\n")
        stats = {}
        while (line := self.reader.readline().decode().split())[0] != "END":
            stats[line[1]] = line[2]
        return stats


def round_of(client, number, source):
    """A round of commands on keys of this number's own."""
    key = b"key-%d" % number
    value = source.randbytes(source.choice((0, 1, 100, 5000)))
    item = b"VALUE %s 7 %d\r\n%s\r\n" % (key, len(value), value)
    client.exchange(b"set %s 7 0 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")
    client.exchange(b"add %s 7 0 1\r\nx\r\n" % key, b"NOT_STORED\r\n")
    client.exchange(b"get %s none %s\r\n" % (key, key), item + item + b"END\r\n")
    client.exchange(b"set n%s 0 0 2\r\n41\r\nincr n%s 1\r\n" % (key, key), b"STORED\r\n42\r\n")
    # Many at once, and the last reply in two halves of a request.
    client.send(b"get %s\r\n" % key * 20 + b"delete %s\r" % key)
    client.send(b"\n")
    client.expect((item + b"END\r\n") * 20 + b"DELETED\r\n")
    client.exchange(b"get %s\r\n" % key, b"END\r\n")


def exchange_large(client, number, source):
    key = b"large-%d" % number
    value = source.randbytes(LARGE)
    client.exchange(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")
    item = b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)
    client.send(b"get %s\r\n" % key * 8)
    client.expect(item * 8)


def start(room):
    """The server chooses its port and writes it into a file, in one step, when it listens."""
    user = ["-u", "root"] if web.is_root() else []
    path = room.file("port")
    server = room.start(
        "memcached",
        [MEMCACHED, *user, "-l", "127.0.0.1", "-p", "-1", "-U", "0", "-t", "4"],
        ready=lambda: os.path.exists(path),
        environment={"MEMCACHED_PORT_FILENAME": path},
    )
    with open(path) as file:
        return server, int(file.read().split()[-1])


def look_at(room, client, before):
    """That connections have gone is noticed after their clients know it, hence the asking again."""
    deadline = time.monotonic() + GONE_SECONDS
    while (stats := client.stats())["curr_connections"] != before["curr_connections"]:
        if time.monotonic() > deadline:
            raise Failure(
                f"memcached keeps connections: {stats['curr_connections']}, "
                f"{before['curr_connections']} at the beginning"
            )
    for name in ("cmd_get", "cmd_set", "get_hits", "get_misses", "delete_hits", "incr_hits"):
        room.fact(name, stats[name])
    opened = int(stats["total_connections"]) - int(before["total_connections"])
    room.fact("connections", opened)


def play(room):
    server, port = start(room)
    source = random.Random("memcached")
    first = Client(port)
    before = first.stats()
    clients = [first] + [Client(port) for _ in range(19)]
    rounds = room.count(500, 5000)
    for number in range(rounds):
        round_of(clients[number % len(clients)], number, source)
        if number % 2 == 0:  # one that comes and goes
            visitor = Client(port)
            visitor.exchange(b"mn\r\nquit\r\n", b"MN\r\n")
            visitor.expect_end()
            visitor.close()
    for number, client in enumerate(clients[:4]):
        exchange_large(client, number, source)
    for client in clients[1:]:
        client.close()
    look_at(room, first, before)
    first.close()
    room.stop(server)
    said = [line for line in server.text().splitlines() if line != "Signal handled: Terminated."]
    room.must("output of memcached", said, [])
    room.summary = f"{rounds} rounds of commands"
