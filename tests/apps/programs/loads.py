"""Loads: one kind of work for one program, which --savings and tests/apps/bench measure.

`measured` is the process that runs under the subject; everything else runs natively. `saved` and
`of_savable` are bars in percent for a backend that makes a batch one call: of the calls that are
saved, and of what savable.py says can be saved. docs/apps.md says where they come from.

CONNECTIONS is what people who benchmark a proxy or server ask ab and wrk for, and redis-benchmark
takes the 50 that it takes unless it is told.
"""
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from typing import Callable

from harness import ANSWER_SECONDS, Failure, Patience
from programs import haproxy, memcached, nginx, node, redis, web
from programs.table import HAPROXY, MEMCACHED, NGINX, NODE, REDIS

CONNECTIONS = 128
CPU_CLOCK = 2  # of a process, by the scheduler: MAKE_PROCESS_CPUCLOCK of linux/posix-timers_types.h


@dataclass(frozen=True)
class Measured:
    requests: int
    seconds: float
    cpu_seconds: float
    all_requests: int  # those that were not measured as well


@dataclass(frozen=True)
class Load:
    name: str
    what: str
    play: Callable
    needs: tuple
    measured: str
    saved: float = 0
    of_savable: float = 0


def family(pid):
    """A process and all that descends from it."""
    yield pid
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            for child in file.read().split():
                yield from family(int(child))


def cpu_seconds(pid):
    """What a process and its children have used; a process that has ended still knows it."""
    return sum(time.clock_gettime(~member << 3 | CPU_CLOCK) for member in family(pid))


def measure(room, server, requests, work, warm_up=0):
    before, began = cpu_seconds(server.pid), time.monotonic()
    work()
    seconds = time.monotonic() - began
    used = cpu_seconds(server.pid) - before
    room.measured = Measured(requests, seconds, used, requests + warm_up)
    room.summary = f"{requests} requests"


def measure_http(room, server, port, *options, under="/"):
    """A tenth of it first, so that files are open and node has compiled what it needs."""
    requests = room.count(2000, 20000)
    warm_up = requests // 10

    def ask(name, count):
        web.load(room, name, port, count, CONNECTIONS, *options, names=["page"], under=under)

    ask("warm-up", warm_up)
    measure(room, server, requests, lambda: ask("load", requests), warm_up)


def play_haproxy(room, option):
    backend, back = nginx.start_files(room)
    server, port = haproxy.start(room, option, back)
    measure_http(room, server, port, "-k")
    room.stop(server, signal.SIGUSR1)
    room.stop(backend, signal.SIGQUIT)


def play_haproxy_close(room):
    play_haproxy(room, "http-server-close")


def play_haproxy_keep_alive(room):
    play_haproxy(room, "http-keep-alive")


def play_nginx_proxy(room):
    backend, back = nginx.start_files(room)
    server, port = nginx.start(room, "nginx", nginx.PROXY.format(port=back))
    measure_http(room, server, port)
    room.stop(server, signal.SIGQUIT)
    room.stop(backend, signal.SIGQUIT)


def play_nginx_keep_alive(room):
    server, port = nginx.start_files(room, "nginx", native=False)
    measure_http(room, server, port, "-k")
    room.stop(server, signal.SIGQUIT)


def play_node_close(room):
    server, port = node.start(room)
    measure_http(room, server, port, under="/memory/")
    room.stop(server)


def play_redis_benchmark(room):
    """The client is what is measured, from its start to its end."""
    server, port = redis.start(room, native=True)
    tests = ("ping_mbulk", "set", "get", "incr", "lpush", "rpop", "sadd", "hset")
    requests = room.count(2000, 20000)
    command = [redis.BENCHMARK, "-p", port, "--csv", "-n", requests, "-t", ",".join(tests)]
    began = time.monotonic()
    client = room.launch("redis-benchmark", command)
    pidfd = os.pidfd_open(client.pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        Patience(room.client_seconds()).poll(poll)
    finally:
        os.close(pidfd)
    seconds, used = time.monotonic() - began, cpu_seconds(client.pid)
    said = room.finish(client).splitlines()
    if len(said) != len(tests) + 1:
        raise Failure(f"redis-benchmark ran {len(said) - 1} tests, expected {len(tests)}")
    total = requests * len(tests)
    room.measured = Measured(total, seconds, used, total)
    room.summary = f"{requests} requests of each of {len(tests)} kinds"
    room.stop(server)


def get(port, requests, connections):
    """GETs over kept connections, one under way on each."""
    reply = b"VALUE key 0 100\r\n" + b"x" * 100 + b"\r\nEND\r\n"
    poll = select.poll()
    sockets = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", port))
        sockets[connection.fileno()] = connection
        poll.register(connection, select.POLLIN)
    asked = answered = 0
    for connection in sockets.values():
        connection.sendall(b"get key\r\n")
        asked += 1
    while answered < requests:
        ready = Patience(ANSWER_SECONDS).poll(poll)
        if not ready:
            raise Failure("memcached does not answer")
        for fd, _ in ready:
            said = sockets[fd].recv(len(reply), socket.MSG_WAITALL)
            if said != reply:
                raise Failure(f"memcached answers {said[:60]!r}, not {reply[:60]!r}")
            answered += 1
            if asked < requests:
                sockets[fd].sendall(b"get key\r\n")
                asked += 1
    for connection in sockets.values():
        connection.close()


def play_memcached(room):
    server, port = memcached.start(room)
    client = memcached.Client(port)
    client.exchange(b"set key 0 0 100\r\n" + b"x" * 100 + b"\r\n", b"STORED\r\n")
    client.close()
    requests = room.count(5000, 50000)
    measure(room, server, requests, lambda: get(port, requests, CONNECTIONS))
    room.stop(server)


LOADS = (
    Load(
        "redis-benchmark",
        "redis-benchmark as it is by default; the server runs natively",
        play_redis_benchmark,
        REDIS,
        "redis-benchmark",
        saved=80,
    ),
    Load(
        "haproxy-close",
        "haproxy with http-server-close, clients keep their connections",
        play_haproxy_close,
        HAPROXY,
        "haproxy",
        saved=90,
    ),
    Load(
        "nginx-proxy",
        "nginx before nginx, a connection a request",
        play_nginx_proxy,
        NGINX,
        "nginx",
        of_savable=85,
    ),
    Load(
        "node-close",
        "node's HTTP server, a connection a request",
        play_node_close,
        NODE,
        "node",
        of_savable=85,
    ),
    Load(
        "haproxy-keep-alive",
        "haproxy, all connections kept: nothing to save",
        play_haproxy_keep_alive,
        HAPROXY,
        "haproxy",
    ),
    Load(
        "nginx-keep-alive",
        "nginx serves files, all connections kept: nothing to save",
        play_nginx_keep_alive,
        NGINX,
        "nginx",
    ),
    Load(
        "memcached",
        "memcached, all connections kept: nothing to save; the client is Python and slow",
        play_memcached,
        MEMCACHED,
        "memcached",
    ),
)
