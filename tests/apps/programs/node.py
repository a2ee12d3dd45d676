"""node: its HTTP server, which libuv drives, with its threads for files."""
import os

from programs import web

NODE = "/usr/bin/node"
SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "node_server.js")


def start(room):
    """Returns the server and its port."""
    web.write_files(room)
    server = room.start("node", [NODE, SCRIPT, room.file("www")], ready=r"^port (\d+)$")
    return server, int(server.says(r"^port (\d+)$").group(1))


def play(room, *options):
    server, port = start(room)
    requests = room.count(2000, 20000)
    web.load(room, "files", port, requests, 50, *options)
    web.load(room, "echo", port, room.count(500, 5000), 50, "-p", *options)
    large = room.count(20, 200)
    web.load(room, "large files", port, large, 10, *options, names=["large"])
    web.load(room, "large echo", port, large, 10, "-p", *options, names=["large"])
    room.stop(server)
    said = [line for line in server.text().splitlines() if line != f"port {port}"]
    room.must("output of node", said, ["closed"])
    room.summary = f"{requests} requests"


def play_close(room):
    play(room)


def play_keep_alive(room):
    play(room, "-k")
