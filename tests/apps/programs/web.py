"""What the HTTP programs share: files to serve, and httpload, which asks for them."""
import http.client
import os
import random
import re
import time

from harness import ANSWER_SECONDS, Failure

# Name and size. The largest does not fit into a socket's buffers, so that servers wait for room.
FILES = (("empty", 0), ("small", 13), ("page", 5000), ("picture", 100 * 1000))
LARGE = ("large", 3 * 1000 * 1000)


def write_files(room):
    """The same bytes in every run, for the digests of what comes back are compared."""
    for name, size in FILES + (LARGE,):
        room.write(f"www/{name}", random.Random(name).randbytes(size))


def targets(room, *names, under="/"):
    return [f"{under}{name}={room.file('www/' + name)}" for name in names]


def load(room, name, port, requests, connections, *options, names=None, under="/"):
    """Asks for each file in turn, and notes what came of it. The client runs natively."""
    names = names or [name for name, _ in FILES]
    said = room.run(
        name,
        [room.tool("httpload"), "-n", requests, "-c", connections, *options]
        + [f"127.0.0.1:{port}", *targets(room, *names, under=under)],
        native=True,
    )
    room.fact(name, said.splitlines()[-1] if said else "")


def ask(port, path):
    """One request of the driver's own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        return connection.getresponse().read().decode()
    except OSError as error:
        raise Failure(f"{path} cannot be asked for: {error}") from error
    finally:
        connection.close()


def ask_until(port, path, pattern, what, seconds=60):
    """Asks until the answer matches: a server sees that a client is gone after the client does."""
    deadline = time.monotonic() + seconds
    while not (found := re.search(pattern, said := ask(port, path))):
        if time.monotonic() > deadline:
            raise Failure(f"{what}: {said.strip()}")
    return found


def is_root():
    return os.geteuid() == 0
