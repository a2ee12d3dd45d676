"""What the scripts in programs/ play with: a room of their own, processes, waiting, and facts.

A script starts programs in a Room, talks to them, stops them, and notes facts. The driver plays it
natively and under a subject, each time in a new room, and compares the facts. What would be wrong
natively as well, such as an error in a log, is a fault.

Nothing here sleeps. Whoever waits is woken by what it waits for; the limits in seconds only end a
run that hangs.
"""
import ctypes
import os
import re
import resource
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

START_SECONDS = 60  # until a server is ready
STOP_SECONDS = 30  # until a server has stopped, and until orphans are gone
CLIENT_SECONDS_QUICK, CLIENT_SECONDS = 120, 600  # until a client has ended; most take a second
ANSWER_SECONDS = 100  # until a script itself gets an answer

IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE = 0x2, 0x8, 0x80, 0x100
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The calls that --count counts; `count` has the same list. A batch is one call, however it is made.
CTL_CALLS = ("epoll_ctl", "io_uring_enter")
CALLS = CTL_CALLS + ("epoll_wait", "epoll_pwait", "epoll_pwait2", "close")

BACKENDS = ("syscall", "uring")
COPIED = (stat.S_IFREG, stat.S_IFDIR)
DESCRIPTORS = 4096
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

HOW_TO_BUILD = "cmake --preset release && cmake --build --preset release"

libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """The program did not do what it had to; its message is what the driver reports."""


class Unusable(Exception):
    """The harness cannot do its work here."""


def adopt_orphans():
    """Makes what a server leaves behind a child of the driver, which so finds it and ends it."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise Unusable("prctl(PR_SET_CHILD_SUBREAPER) fails")


def prepare_child():
    """Runs in a new child. Should the driver be killed, its servers are told to stop. The number of
    descriptors is the same on every machine, for programs make as many as they may."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    descriptors = min(DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def children():
    """The driver's children, orphans among them, zombies included."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return "?"


def status_words(status):
    """What a return code of subprocess says, in words."""
    if status >= 0:
        return str(status)
    return f"killed by {signal.Signals(-status).name}"


class Patience:
    """A limit in seconds. It is counted in short waits, so that a virtual machine that stands still
    for a minute does not use it up."""

    def __init__(self, seconds):
        self.left = seconds

    def poll(self, poll):
        """What `poll` finds, or nothing if it takes too long."""
        while self.left > 0:
            wait, began = min(self.left, 1), time.monotonic()
            if found := poll.poll(wait * 1000):
                self.left -= min(wait, time.monotonic() - began)
                return found
            self.left -= wait
        return []


def wait_ended(process, seconds):
    """Returns False if `process`, a Popen, has not ended by then."""
    if process.poll() is not None:
        return True
    pidfd = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not Patience(seconds).poll(poll):
            return False
    finally:
        os.close(pidfd)
    process.wait()
    return True


class Subject:
    """native, shim:POLICY[+BACKEND] or preload:PATH; the names are those of `epdiff --subject`."""

    def __init__(self, name, build):
        self.name = name
        self.environment = {}
        kind, _, rest = name.partition(":")
        if name == "native":
            return
        if kind == "shim" and rest:
            policy, _, backend = rest.partition("+")
            backend = backend or "syscall"
            self.name = f"shim:{policy}+{backend}"
            self.environment = {"EPBATCH_POLICY": policy, "EPBATCH_BACKEND": backend}
            library = os.path.join(build, "libepbatch.so")
            if not os.access(library, os.R_OK):
                raise Unusable(f"{library} is not there: {HOW_TO_BUILD}")
        elif kind == "preload" and rest:
            library = os.path.realpath(rest)
            # It may be a shim of another build, and is told what it has to be told by our caller.
            given = {name: os.environ[name] for name in os.environ if name.startswith("EPBATCH_")}
            self.environment = given
        else:
            raise ValueError(
                f"unknown subject '{name}', expected native, shim:POLICY+BACKEND or preload:PATH"
            )
        # ld.so splits LD_PRELOAD at blanks and colons and knows no way to quote them.
        if re.search(r"[\s:]", library):
            raise ValueError(f"'{library}' has a blank or a colon, which LD_PRELOAD cannot hold")
        if not os.access(library, os.R_OK):
            raise ValueError(f"{library} cannot be read")
        self.environment["LD_PRELOAD"] = library

    def file_name(self):
        return re.sub(r"[^\w+.-]", "-", self.name)

    def check(self):
        """Does it start at all? The shim refuses a policy or backend that it does not have."""
        done = subprocess.run(
            ["/bin/true"], env={**clean_environment(), **self.environment}, capture_output=True
        )
        if done.returncode != 0 or done.stderr:
            said = done.stderr.decode(errors="replace").strip()
            raise Unusable(f"{self.name} does not start /bin/true: {said or done.returncode}")


def subjects_of(names, build, tool="run"):
    """The subjects that these names name. POLICY+all is every backend that this machine has."""
    subjects = []
    for name in names:
        if not name.startswith("shim:") or not name.endswith("+all"):
            subjects.append(Subject(name, build))
            continue
        for backend in BACKENDS:
            subject = Subject(name.removesuffix("all") + backend, build)
            try:
                subject.check()
                subjects.append(subject)
            except Unusable as error:
                complain(f"left out: {error}", tool)
    return subjects


def clean_environment():
    """Ours, without what would put a shim in front of everything or change what programs say."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if name != "LD_PRELOAD" and not name.startswith(("EPBATCH_", "PYTHON", "LC_", "NODE_"))
    }
    return {**mine, "LC_ALL": "C"}


class Process:
    """A program that a room has started, with its output in files of the room."""

    def __init__(self, name, argv, environment, folder, log):
        self.name = name
        self.output = log
        self.stopped = False  # by us, or it is a client
        self.fine = False  # it has done all that it had to, and ended
        with open(log, "ab") as file:
            try:
                self.popen = subprocess.Popen(
                    argv,
                    env=environment,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=prepare_child,
                )
            except OSError as error:
                raise Unusable(f"{argv[0]}: {error.strerror}") from error
        self.pid = self.popen.pid

    def text(self):
        with open(self.output, errors="replace") as file:
            return file.read()

    def ended(self):
        return self.popen.poll() is not None

    def says(self, pattern):
        return re.search(pattern, self.text(), re.MULTILINE)


class Room:
    """One run of one script under one subject."""

    def __init__(self, program, subject, options):
        self.program = program
        self.subject = subject
        self.options = options
        self.facts = {}
        self.faults = []
        self.summary = ""
        self.measured = None  # by programs/loads.py
        self.processes = []
        self.ports = []
        self.counters = []
        self.path = tempfile.mkdtemp(prefix="epdiff-apps-")
        self.inotify = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        events = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE
        if self.inotify < 0 or libc.inotify_add_watch(self.inotify, self.path.encode(), events) < 0:
            raise Unusable("no inotify")

    # What was seen.

    def fact(self, name, value):
        """Something that has to be the same under every subject."""
        self.facts[name] = value

    def fault(self, text):
        """Something that must not be, natively neither."""
        self.faults.append(text)

    def must(self, name, value, expected):
        """A fact with the only value that is right."""
        self.fact(name, value)
        if value != expected:
            self.fault(f"{name}: {value}, expected {expected}")

    # Files, ports, sizes.

    def count(self, quick, full):
        return quick if self.options.quick else full

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, content):
        path = self.file(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def port(self):
        """A port of 127.0.0.1 that is kept for the server that will bind it: as long as this socket
        is bound and does not listen, nobody gets the number by chance, and SO_REUSEADDR lets the
        server have it."""
        reserved = socket.socket()
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        self.ports.append(reserved)
        return reserved.getsockname()[1]

    def tool(self, name):
        path = os.path.join(self.options.build, "tests", name)
        if not os.access(path, os.X_OK):
            raise Unusable(f"{path} is not there: {HOW_TO_BUILD}")
        return path

    # Processes.

    def environment(self, name, native):
        environment = {**clean_environment(), "TMPDIR": self.path, "HOME": self.path}
        if native:
            return environment
        environment.update(self.subject.environment)
        if self.options.stats and self.subject.environment:
            run = f"{self.program.name}.{self.subject.file_name()}.{name}"
            environment["EPBATCH_STATS"] = os.path.join(self.options.stats, run)
        return environment

    def unused(self, name):
        """`name`, or with a number behind it if there has been one."""
        taken = {process.name for process in self.processes}
        number = 1
        unused = name
        while unused in taken:
            number += 1
            unused = f"{name}-{number}"
        return unused

    def launch(self, name, argv, native=False, environment=None):
        name = self.unused(name)
        argv = [str(word) for word in argv]
        given = {**self.environment(name, native), **(environment or {})}
        if self.options.count and not native:
            argv = self.counted(name, argv, given)
        process = Process(name, argv, given, self.path, self.file(f"{name}.log"))
        self.processes.append(process)
        return process

    def start(self, name, argv, ready, **how):
        """Starts a server; `ready` is what it says when it can be reached, or a function."""
        process = self.launch(name, argv, **how)
        condition = ready if callable(ready) else lambda: process.says(ready)
        self.wait(condition, process, f"{name} to get ready", START_SECONDS)
        return process

    def wait(self, condition, process, what, seconds=STOP_SECONDS):
        """Waits until `condition` holds, which is looked at whenever a file of the room changes."""
        patience = Patience(seconds)
        pidfd = os.pidfd_open(process.pid)
        poll = select.poll()
        poll.register(self.inotify, select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        try:
            while not condition():
                happened = [fd for fd, _ in patience.poll(poll)]
                if not happened:
                    raise Failure(f"waited {seconds} s for {what}")
                if self.inotify in happened:
                    os.read(self.inotify, 65536)
                elif not condition():
                    process.popen.wait()
                    words = status_words(process.popen.returncode)
                    raise Failure(f"{process.name} ended while waiting for {what}: status {words}")
        finally:
            os.close(pidfd)

    def stop(self, process, number=signal.SIGTERM):
        """Stops a server, which has to end by itself and with status 0."""
        process.stopped = True
        if process.popen.poll() is None:
            process.popen.send_signal(number)
        if not wait_ended(process.popen, STOP_SECONDS):
            sent = signal.Signals(number).name
            self.must(f"end of {process.name}", f"none within {STOP_SECONDS} s of {sent}", "0")
            return
        self.must(f"end of {process.name}", status_words(process.popen.returncode), "0")
        process.fine = process.popen.returncode == 0

    def run(self, name, argv, **how):
        """Runs a client to its end and returns what it said. Unless its status is 0, the play is
        over: what follows could only fail for the same reason, and a hang takes its time."""
        return self.finish(self.launch(name, argv, **how))

    def client_seconds(self):
        return self.count(CLIENT_SECONDS_QUICK, CLIENT_SECONDS)

    def finish(self, process):
        process.stopped = True
        seconds = self.client_seconds()
        if not wait_ended(process.popen, seconds):
            raise Failure(f"{process.name} has not ended after {seconds} s")
        words = status_words(process.popen.returncode)
        said = process.text()
        if words != "0":
            raise Failure(f"{process.name}: status {words}: {(said.splitlines() or [''])[0]}")
        process.fine = True
        return said

    # The end. An interrupt waits until the room is gone.

    def end_processes(self):
        """Ends all that is left. What a run that went as planned leaves behind is a fault."""
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        planned = all(process.stopped and process.ended() for process in self.processes)
        self.reap(grace=planned)

    def deaths(self):
        """Servers that have ended though nobody stopped them."""
        for process in self.processes:
            if not process.stopped and process.ended():
                yield f"{process.name} ended by itself: {status_words(process.popen.returncode)}"

    def remove(self):
        for reserved in self.ports:
            reserved.close()
        os.close(self.inotify)
        shutil.rmtree(self.path, ignore_errors=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTS)

    def keep(self, path):
        """Copies the room there, but for what cannot be copied, such as sockets."""

        def special(folder, names):
            modes = {name: os.stat(os.path.join(folder, name)).st_mode for name in names}
            return [name for name in names if stat.S_IFMT(modes[name]) not in COPIED]

        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.path, path, ignore=special)

    def reap(self, grace):
        """After a run that went as planned, orphans get the time to end by themselves."""
        patience = Patience(STOP_SECONDS if grace else 0)
        known = {process.pid: process for process in self.processes}
        while pids := children():
            for pid in pids:
                if patience.left <= 0:
                    if grace:
                        self.fault(f"left behind: {name_of(pid)}")
                    os.kill(pid, signal.SIGKILL)
                if pid in known:
                    known[pid].popen.wait()
                    continue
                self.wait_child(pid, patience)

    @staticmethod
    def wait_child(pid, patience):
        """Waits for a child as long, or, when that is over and it was killed, until it ends."""
        pidfd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if patience.poll(poll) if patience.left > 0 else poll.poll():
                os.waitpid(pid, 0)
        finally:
            os.close(pidfd)

    def evidence(self):
        """The last lines of the logs of what has not ended well, for people."""
        for process in self.processes:
            if process.fine:
                continue
            lines = process.text().splitlines()[-6:]
            for line in lines:
                yield f"{process.name}: {line[:200]}"

    # Counting system calls, of everything that runs under the subject.

    def counted(self, name, argv, environment):
        """What runs `argv` and counts. It is the program itself by its number, its signals and its
        status; but the shim is not to be in front of what counts."""
        path = self.file(f"{name}.counts")
        self.counters.append(path)
        preload = environment.pop("LD_PRELOAD", None)
        if self.options.counter == "strace":
            given = ["-E", f"LD_PRELOAD={preload}"] if preload else []
            calls = ",".join(CALLS)
            # -D: the tracer is a grandchild, as `count` does it.
            flags = ["-D", "-f", "-q", "--seccomp-bpf", "-c", "-U", "name,calls", "-o", path]
            return ["/usr/bin/strace", *flags, "-e", f"trace={calls}", *given, *argv]
        given = ["/usr/bin/env", *([f"LD_PRELOAD={preload}"] if preload else [])]
        return [self.tool("count"), path, *given, *argv]

    def counts(self):
        """The sum over all programs of the room, by call."""
        sums = dict.fromkeys(CALLS, 0)
        for path in self.counters:
            if not os.path.exists(path):
                continue
            with open(path) as file:
                for words in map(str.split, file):
                    if len(words) == 2 and words[0] in sums and words[1].isdigit():
                        sums[words[0]] += int(words[1])
        return sums


def count_works(build):
    """Whether this kernel lets us count by perf events; what it says if not."""
    tool = os.path.join(build, "tests", "count")
    if not os.path.exists(tool):
        raise Unusable(f"{tool} is not there: {HOW_TO_BUILD}")
    done = subprocess.run([tool], capture_output=True)
    return done.returncode == 0, done.stderr.decode().strip()


def choose_counter(build):
    """How to count: by perf events, which do not slow anything down, or else by strace."""
    works, why = count_works(build)
    if works:
        return "count"
    if not os.path.exists("/usr/bin/strace"):
        raise Unusable(f"--count: {why}; nor is there strace (`ci/setup apps` installs)")
    complain("counting with strace, which slows programs down and so changes what is batched")
    return "strace"


def complain(text, tool="run"):
    print(f"tests/apps/{tool}: {text}", file=sys.stderr, flush=True)
