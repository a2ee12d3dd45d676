"""Python's own tests of what stands on epoll; unittest_outcomes.py is the program that is run.

Every test is a fact. There are some that differ from run to run natively, which two native runs and
the confirmation of every difference set aside.
"""
import os
import select
import signal
import time
from dataclasses import dataclass

from harness import Process, status_words

PYTHON = "/usr/bin/python3"
SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "unittest_outcomes.py")
ASYNCIO = "/usr/lib/python3.11/test/test_asyncio"
TEST_SECONDS = 180  # of a single test


def outcomes_of(path):
    """Outcomes by test, and the test that was running last if it has none."""
    outcomes, last = {}, None
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                word, _, test = line.rstrip("\n").partition(" ")
                last = test if word == "start" else None
                if word != "start":
                    outcomes[test] = word
    return outcomes, last


@dataclass
class Part:
    """A process that runs a module or a share of it."""

    module: str
    share: int
    shares: int
    names: list
    process: Process = None
    path: str = ""
    size: int = -1
    deadline: float = 0

    def start(self, room):
        self.path = room.file(f"{self.module}.{self.share}.tests")
        command = [PYTHON, "-P", SCRIPT, self.path, self.share, self.shares, *self.names]
        self.process = room.launch(self.module, command)
        self.process.stopped = True

    def hangs(self):
        """Whether no test has begun or ended for a long time."""
        size = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        if size != self.size:
            self.size, self.deadline = size, time.monotonic() + TEST_SECONDS
        return time.monotonic() >= self.deadline

    def finish(self, room):
        self.process.popen.wait()
        room.fact(f"end of {self.process.name}", status_words(self.process.popen.returncode))
        outcomes, last = outcomes_of(self.path)
        if last:
            outcomes[last] = "no outcome"
        self.process.fine = set(outcomes.values()) <= {"ok", "skipped"}
        for test, outcome in outcomes.items():
            room.fact(test, outcome)


def run_parts(room, parts, jobs):
    """Runs the parts, so many at a time."""
    waiting, running = list(parts), {}
    poll = select.poll()
    while waiting or running:
        while waiting and len(running) < jobs:
            part = waiting.pop(0)
            part.start(room)
            pidfd = os.pidfd_open(part.process.pid)
            running[pidfd] = part
            poll.register(pidfd, select.POLLIN)
        for part in running.values():
            if part.hangs():
                room.fault(f"{outcomes_of(part.path)[1]} has not ended after {TEST_SECONDS} s")
                part.process.popen.send_signal(signal.SIGKILL)
        left = min(part.deadline for part in running.values()) - time.monotonic()
        for pidfd, _ in poll.poll(max(left, 0) * 1000):
            poll.unregister(pidfd)
            os.close(pidfd)
            running.pop(pidfd).finish(room)


def wanted(module, only):
    """What of a module has to be run to look at these facts again: names, or None for nothing."""
    if any(name.startswith(f"end of {module}") or f"({module}." in name for name in only):
        return [module]  # the end of a process, or the set-up of a class
    return [name for name in only if name.startswith(f"{module}.")] or None


def play(room, modules, only, jobs, shares=1):
    if only is None:
        parts = [Part(m, share, shares, [m]) for m in modules for share in range(shares)]
    else:
        again = {module: wanted(module, only) for module in modules}
        parts = [Part(module, 0, 1, names) for module, names in again.items() if names]
    run_parts(room, parts, jobs)
    outcomes = [value for name, value in room.facts.items() if not name.startswith("end of ")]
    room.summary = f"{outcomes.count('ok')} of {len(outcomes)} tests ok, the others as natively"


def play_epoll(room, only=None):
    play(room, ["test.test_epoll"], only, jobs=1)


def play_selectors(room, only=None):
    """Most of its time is spent asleep, hence all classes at once."""
    play(room, ["test.test_selectors"], only, jobs=5, shares=5)


def play_asyncio(room, only=None):
    """A process a module, so that what ends one does not take the others along."""
    names = sorted(name for name in os.listdir(ASYNCIO) if name.startswith("test_"))
    modules = [f"test.test_asyncio.{name[:-3]}" for name in names if name.endswith(".py")]
    play(room, modules, only, jobs=2)
