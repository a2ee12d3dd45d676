"""Runs commands one after another, each with an end: its own, the night's, or that of its time."""
import ctypes
import os
import select
import signal
import subprocess
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE = 20  # seconds that a command has to end cleanly, with what it has

libc = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """The night is to end, by a signal."""


class Ended:
    """How a command ended: its status as subprocess has it, or late: it was ended by us."""

    def __init__(self, status, late, seconds):
        self.status, self.late, self.seconds = status, late, seconds

    def words(self):
        if self.late:
            return "it did not end in its time"
        if self.status < 0:
            return f"ended by {signal.Signals(-self.status).name}"
        return f"status {self.status}"


class Runner:
    """There is one in a process, for it takes signals over. A first signal ends the running command
    and then the night, a second one ends the command at once."""

    def __init__(self):
        self.signal = None
        self.wake_read, self.wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.before = {number: signal.getsignal(number) for number in SIGNALS}
        self.before_fd = signal.set_wakeup_fd(self.wake_write)
        for number in SIGNALS:
            # Under nohup(1) it stays ignored.
            if self.before[number] != signal.SIG_IGN or number != signal.SIGHUP:
                signal.signal(number, self._note)
        # What a command leaves behind becomes our child, and so is found.
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")

    def close(self):
        for number, handler in self.before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self.before_fd)
        os.close(self.wake_read)
        os.close(self.wake_write)

    def _note(self, number, _frame):
        self.signal = self.signal or number

    def check(self):
        if self.signal:
            raise Stopped(signal.Signals(self.signal).name)

    def run(self, argv, log, seconds, env=None, cwd=None, output=None):
        """Runs a command with its output in the open file `log`, or stdout in `output`, for so many
        seconds at most. Returns an Ended; raises Stopped if the night is to end."""
        self.check()
        began = time.monotonic()
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output or log,
            stderr=log,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),
        )
        ended = os.pidfd_open(process.pid)
        try:
            late = not self._await(ended, seconds)
            if late:
                self._end(process.pid, ended)
            process.wait()
        finally:
            os.close(ended)
            self.sweep(process.pid)
        self.check()
        return Ended(process.returncode, late, time.monotonic() - began)

    def _await(self, ended, seconds):
        """Whether the process ends within the time, and before a signal comes."""
        ready, _, _ = select.select([ended, self.wake_read], [], [], max(0, seconds))
        if self.wake_read in ready:
            os.read(self.wake_read, 64)
        return ended in ready

    def _end(self, group, ended):
        end_group(group, signal.SIGTERM)
        if not self._await(ended, GRACE):
            end_group(group, signal.SIGKILL)

    def sweep(self, group):
        """Ends what a command left behind, in its group or not."""
        end_group(group, signal.SIGKILL)
        while True:
            left = children()
            if not left:
                return
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass


def end_group(group, number):
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]
