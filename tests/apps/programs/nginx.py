"""nginx: a master and two workers, serving files or in front of another nginx."""
import re
import signal
from collections import Counter

from programs import web

NGINX = "/usr/sbin/nginx"

CONFIGURATION = """
daemon off;
{user}
worker_processes {workers};
pid {folder}/{name}.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/{name}.access.log;
    client_body_temp_path {folder}/{name}.body;
    proxy_temp_path {folder}/{name}.proxy;
    fastcgi_temp_path {folder}/{name}.fastcgi;
    uwsgi_temp_path {folder}/{name}.uwsgi;
    scgi_temp_path {folder}/{name}.scgi;
    sendfile on;
    {patience}
    server {{
        listen 127.0.0.1:{port};
        location = /status {{ stub_status; access_log off; }}
        {locations}
    }}
}}
"""
# However long the machine stands still, no connection is closed for having been idle.
PATIENCE = "keepalive_requests 1000000000; " + " ".join(
    f"{name} 1d;"
    for name in ("client_header_timeout", "client_body_timeout", "keepalive_timeout")
    + ("send_timeout", "proxy_connect_timeout", "proxy_read_timeout", "proxy_send_timeout")
)
FILES = "location / {{ root {folder}/www; add_header X-Number $arg_n; {more} }}"
PROXY = "location / {{ proxy_pass http://127.0.0.1:{port}; }}"
STARTED = r"start worker process \d+"


def start(room, name, locations, native=False, workers=2):
    """Returns the server and its port."""
    port = room.port()
    configuration = room.write(
        f"{name}.conf",
        CONFIGURATION.format(
            user="user root;" if web.is_root() else "",
            workers=workers,
            patience=PATIENCE,
            folder=room.path,
            name=name,
            port=port,
            locations=locations,
        ),
    )
    server = room.start(
        name,
        [NGINX, "-e", "stderr", "-p", room.path, "-c", configuration],
        ready=rf"(?:{STARTED}[\s\S]*){{{workers}}}",
        native=native,
    )
    return server, port


def start_files(room, name="backend", native=True, more=""):
    """An nginx that serves the files of the room. In front of it stands what is tested."""
    web.write_files(room)
    return start(room, name, FILES.format(folder=room.path, more=more), native)


def look_at(room, server, port):
    """What nginx says of its connections, once only the one that asks is left."""
    web.ask_until(port, "/status", r"Active connections: 1\b", f"{server.name} keeps connections")


def stop(room, server):
    room.stop(server, signal.SIGQUIT)
    bad = re.findall(r"^.*\[(?:warn|error|crit|alert|emerg)\].*$", server.text(), re.MULTILINE)
    room.must(f"log of {server.name}", bad, [])
    ends = re.findall(r"process \d+ exited (?:with|on) (.*)", server.text())
    room.must(f"ends of workers of {server.name}", sorted(set(ends)), ["code 0"])
    with open(room.file(f"{server.name}.access.log")) as file:
        statuses = Counter(re.findall(r'" (\d{3}) ', file.read()))
    room.fact(f"statuses of {server.name}", dict(statuses))


def play_static(room):
    server, port = start_files(room, "nginx", native=False, more="aio threads;")
    requests = room.count(2000, 20000)
    web.load(room, "connection a request", port, requests, 50)
    web.load(room, "keep-alive", port, requests, 50, "-k")
    web.load(room, "large", port, room.count(40, 400), 10, "-k", names=["large"])
    look_at(room, server, port)

    # New workers come out of a fork of the master, and the old ones have to end by themselves.
    old = server.text().count("exited with")
    server.popen.send_signal(signal.SIGHUP)
    room.wait(
        lambda: server.text().count("exited with") >= old + 2, server, "the old workers to end"
    )
    web.load(room, "after a reload", port, requests, 50)
    look_at(room, server, port)
    stop(room, server)
    room.summary = f"{3 * requests} requests, a reload"


def play_proxy(room):
    backend, back = start_files(room)
    server, port = start(room, "nginx", PROXY.format(port=back))
    requests = room.count(2000, 20000)
    web.load(room, "connection a request", port, requests, 50)
    web.load(room, "keep-alive", port, requests, 50, "-k")
    web.load(room, "large", port, room.count(40, 400), 10, names=["large"])
    look_at(room, server, port)
    stop(room, server)
    room.stop(backend, signal.SIGQUIT)
    room.summary = f"{2 * requests} requests"
