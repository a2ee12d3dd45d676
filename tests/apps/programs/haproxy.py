"""haproxy: a master and a worker of two threads, in front of nginx."""
import re
import signal
import socket

from harness import ANSWER_SECONDS
from programs import nginx, web

HAPROXY = "/usr/sbin/haproxy"

# Nothing is tried again, so that nothing that goes wrong is hidden; nothing is over for having
# taken long, however long the machine stands still.
CONFIGURATION = """
global
    nbthread 2
    stats socket {folder}/control mode 600 level admin
    log stdout format raw local0
defaults
    mode http
    log global
    log-format "status %ST ended %ts"
    option {option}
    retries 0
    timeout connect 1d
    timeout client 1d
    timeout server 1d
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server nginx 127.0.0.1:{back}
"""


def control(room, command):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(room.file("control"))
        connection.sendall(f"{command}\n".encode())
        with connection.makefile() as answer:
            return answer.read()


def look_at(room):
    """haproxy's own counters of what it did and of what went wrong."""
    lines = control(room, "show stat").lstrip("# ").splitlines()
    names = lines[0].split(",")
    for line in lines[1:]:
        row = dict(zip(names, line.split(",")))
        if not row.get("svname"):
            continue
        wrong = {
            name: row[name]
            for name in ("ereq", "econ", "eresp", "wretr", "wredis", "hrsp_4xx", "hrsp_5xx")
            if row.get(name, "") not in ("", "0")
        }
        room.must(f"errors of {row['pxname']}/{row['svname']}", wrong, {})
        room.fact(f"responses of {row['pxname']}/{row['svname']}", row.get("hrsp_2xx"))


def start(room, option, back):
    """Returns the server, in front of the port `back`, and its port."""
    port = room.port()
    configuration = room.write(
        "haproxy.conf",
        CONFIGURATION.format(folder=room.path, option=option, port=port, back=back),
    )
    command = [HAPROXY, "-W", "-f", configuration]
    return room.start("haproxy", command, ready=r"Loading success"), port


def play(room, option, *loads):
    backend, back = nginx.start_files(room)
    server, port = start(room, option, back)
    for name, requests, *options in loads:
        web.load(room, name, port, requests, 50, *options)
    web.load(room, "large", port, room.count(40, 400), 10, "-k", names=["large"])
    look_at(room)
    room.stop(server, signal.SIGUSR1)
    bad = re.findall(r"^.*(?:\[ALERT\]|FATAL|BUG).*$", server.text(), re.MULTILINE)
    room.must("log of haproxy", bad, [])
    room.must("end of the worker", re.findall(r"exited with code (\d+)", server.text()), ["0"])
    # Their number says nothing: haproxy drops a line when another thread is writing one.
    kinds = sorted(set(re.findall(r"^status .*", server.text(), re.MULTILINE)))
    room.must("ends of requests", kinds, ["status 200 ended --"])
    room.stop(backend, signal.SIGQUIT)
    room.summary = f"{sum(requests for _, requests, *_ in loads)} requests"


def play_keep_alive(room):
    requests = room.count(2000, 20000)
    play(
        room,
        "http-keep-alive",
        ("keep-alive", requests, "-k"),
        ("connection a request", requests),
    )


def play_close(room):
    requests = room.count(2000, 20000)
    play(
        room,
        "http-server-close",
        ("keep-alive", requests, "-k"),
        ("connection a request", requests),
    )
