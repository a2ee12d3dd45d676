"""The programs that tests/apps/run knows. A new one is an entry here and a function that plays it.

`needs` are files and the Debian packages that bring them. `quick` says whether --quick runs it. The
native side is taken `references` times, and facts that differ among those are set aside; a
`repeatable` function takes the names of facts as a second argument and looks at these alone, so
that a difference can be confirmed.
"""
from dataclasses import dataclass
from typing import Callable

from programs import haproxy, memcached, nginx, node, python, redis

REDIS = ("/usr/bin/redis-server", "redis-server"), ("/usr/bin/redis-benchmark", "redis-tools")
NGINX = (("/usr/sbin/nginx", "nginx"),)
HAPROXY = NGINX + (("/usr/sbin/haproxy", "haproxy"),)
MEMCACHED = (("/usr/bin/memcached", "memcached"),)
NODE = (("/usr/bin/node", "nodejs"),)
PYTHON = (
    ("/usr/bin/python3", "python3"),
    ("/usr/lib/python3.11/test/test_epoll.py", "libpython3.11-testsuite"),
)


@dataclass(frozen=True)
class Program:
    name: str
    what: str
    play: Callable
    needs: tuple
    quick: bool = True
    references: int = 1
    repeatable: bool = False


PROGRAMS = (
    Program("redis", "redis-server with redis-benchmark", redis.play, REDIS),
    Program("nginx-static", "nginx, files, a reload", nginx.play_static, NGINX, quick=False),
    Program("nginx-proxy", "nginx before nginx, a connection a request", nginx.play_proxy, NGINX),
    Program(
        "haproxy-keep-alive",
        "haproxy before nginx, keep-alive",
        haproxy.play_keep_alive,
        HAPROXY,
        quick=False,
    ),
    Program("haproxy-close", "haproxy with http-server-close", haproxy.play_close, HAPROXY),
    Program("memcached", "memcached, text protocol", memcached.play, MEMCACHED),
    Program("node-close", "node's HTTP server, a connection a request", node.play_close, NODE),
    Program("node-keep-alive", "node's HTTP server, keep-alive", node.play_keep_alive, NODE),
    Program(
        "python-test_epoll",
        "Python's own test_epoll",
        python.play_epoll,
        PYTHON,
        references=2,
        repeatable=True,
    ),
    Program(
        "python-test_selectors",
        "Python's own test_selectors",
        python.play_selectors,
        PYTHON,
        references=2,
        repeatable=True,
    ),
    Program(
        "python-test_asyncio",
        "Python's own test_asyncio",
        python.play_asyncio,
        PYTHON,
        quick=False,
        references=2,
        repeatable=True,
    ),
)
