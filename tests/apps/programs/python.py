"""Python's own tests of what stands on epoll; unittest_outcomes.py is the program that is run.

Every test is a fact. There are some that differ from run to run natively, which two native runs and
the confirmation of every difference set aside.
"""
import os
import signal

from harness import status_words, wait_ended

PYTHON = "/usr/bin/python3"
SCRIPT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "unittest_outcomes.py")
ASYNCIO = "/usr/lib/python3.11/test/test_asyncio"
TEST_SECONDS = 60  # of a single test


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


def size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def run_module(room, module, names):
    """Runs these tests of a module, or all of it."""
    path = room.file(f"{module}.tests")
    process = room.launch(module, [PYTHON, "-P", SCRIPT, path, *names])
    seen = -1
    while not wait_ended(process.popen, TEST_SECONDS):
        if size(path) == seen:
            process.popen.send_signal(signal.SIGKILL)
            room.fault(f"{outcomes_of(path)[1]} has not ended after {TEST_SECONDS} s")
            break
        seen = size(path)
    process.popen.wait()
    process.stopped = True
    room.fact(f"end of {module}", status_words(process.popen.returncode))
    outcomes, last = outcomes_of(path)
    if last:
        outcomes[last] = "no outcome"
    for test, outcome in outcomes.items():
        room.fact(test, outcome)


def wanted(module, only):
    """What of a module has to be run to look at these facts again: names, or None for nothing."""
    if only is None:
        return [module]
    if any(name == f"end of {module}" or f"({module}." in name for name in only):
        return [module]  # the end of the process, or the set-up of a class
    return [name for name in only if name.startswith(f"{module}.")] or None


def play(room, modules, only):
    for module in modules:
        if names := wanted(module, only):
            run_module(room, module, names)
    outcomes = [value for name, value in room.facts.items() if not name.startswith("end of ")]
    held = outcomes.count("ok")
    room.summary = f"{held} of {len(outcomes)} tests ok, the rest as natively"


def play_epoll(room, only=None):
    play(room, ["test.test_epoll"], only)


def play_selectors(room, only=None):
    play(room, ["test.test_selectors"], only)


def play_asyncio(room, only=None):
    """A process a module, so that what ends one does not take the others along."""
    names = sorted(name for name in os.listdir(ASYNCIO) if name.startswith("test_"))
    play(room, [f"test.test_asyncio.{name[:-3]}" for name in names if name.endswith(".py")], only)
