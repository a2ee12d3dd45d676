#!/usr/bin/python3
"""What must not happen: that libeprecord.so misses a door, or changes what a program does.

EPRECORD in the environment names the library.
"""
import os
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
LIBRARY = os.environ["EPRECORD"]

# What every script begins with.
BEGIN = """
import ctypes, fcntl, os, select, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
"""


class Recording(unittest.TestCase):
    def record(self, script, status=0):
        """Returns the records of all processes, that of the script's first."""
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "RECORD_DIR": folder, "LD_PRELOAD": LIBRARY}
            # Standard input is a file that epoll takes and that is neither socket nor pipe.
            eventfd = os.eventfd(0)
            first = subprocess.Popen(
                ["/usr/bin/python3", "-S", "-c", BEGIN + script], env=environment, stdin=eventfd
            )
            os.close(eventfd)
            self.assertEqual(first.wait(60), status)
            records = []
            names = sorted(os.listdir(folder))
            for name in sorted(names, key=lambda name: f".{first.pid}." not in name):
                print_it = [os.path.join(HERE, "savable.py"), "--print", os.path.join(folder, name)]
                out = subprocess.run(print_it, stdout=subprocess.PIPE, text=True, check=True).stdout
                # Without the name of the file, and without the threads.
                records.append([line.split(" ", 1)[1] for line in out.splitlines()[1:]])
            return records

    def contains(self, record, *patterns):
        """These lines are in the record in this order, among others."""
        at = 0
        for pattern in patterns:
            found = [i for i, line in enumerate(record) if i >= at and line.startswith(pattern)]
            self.assertTrue(found, f"{pattern} is not in {record[at:]}")
            at = found[0] + 1

    def test_epoll(self):
        (record,) = self.record("""
e = select.epoll()
n = e.fileno()
r, w = os.pipe()
e.register(r, select.EPOLLIN | select.EPOLLET)
e.modify(r, select.EPOLLIN)
try:
    e.register(r, select.EPOLLIN)
except FileExistsError:
    pass
e.poll(0)
e.poll(0.001)
e.unregister(r)
libc.epoll_ctl(3, 1, r, (ctypes.c_uint32 * 3)(1, 0, 0))  # from the heap
e.register(0)                                              # neither socket nor pipe
e.close()
assert n == 3 and r == 4
""")  # fmt: skip
        self.contains(
            record,
            "epoll_create 0 0 0 0 = 3",
            "pipe 0 0 0 0 = 4 5",
            "epoll_ctl 3 ADD 4 0x80000001 = 0",
            "epoll_ctl 3 MOD 4 0x1 = 0",
            "epoll_ctl 3 ADD 4 0x0 = -17",
            "wait 3 0",
            "woke 3",
            "wait 3 1",
            "woke 3",
            "epoll_ctl 3 DEL 4 0x0 = 0 0",
            "epoll_ctl 3 ADD 4 0x1 = 0 1",
            "epoll_ctl 3 ADD 0 0x7 = 0 2",
            "close 3",
        )

    def test_what_makes_numbers(self):
        (record,) = self.record("""
a, b = socket.socketpair()
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
d, _ = s.accept()
libc.eventfd(0, 0)
libc.timerfd_create(1, 0)
assert (a.fileno(), b.fileno(), s.fileno(), c.fileno(), d.fileno()) == (3, 4, 5, 6, 7)
os.dup(3)
os.dup2(3, 60)
fcntl.fcntl(3, fcntl.F_DUPFD, 70)
fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 80)
os.dup2(3, 90, inheritable=False)
""")  # fmt: skip
        self.contains(
            record,
            "socketpair 0 0 0 0 = 3 4",
            "socket 0 0 0 0 = 5",
            "setsockopt 5",
            "socket 0 0 0 0 = 6",
            "accept 0 0 0 0 = 7",
            "eventfd 0 0 0 0 = 8",
            "timerfd 0 0 0 0 = 9",
            "dup 3 0 0 0 = 10",
            "dup 3 0 0 0 = 60",
            "dup 3 0 0 0 = 70",
            "dup 3 0 0 0 = 80",
            "dup 3 0 0 0 = 90",
        )

    def test_doors_of_close(self):
        (record,) = self.record("""
for number in range(60, 68):
    os.dup2(0, number)
os.close(60)
libc.syscall(3, 61)
libc.fdopen.restype = ctypes.c_void_p
libc.fclose(ctypes.c_void_p(libc.fdopen(62, b"r")))
libc.close_range(63, 64, 0)
libc.syscall(436, 65, 65, 0)
libc.closefrom(66)
""")  # fmt: skip
        self.contains(
            record,
            "close 60",
            "close 61",
            "close 62",
            "close_range 63 64",
            "close_range 65 65",
            f"close_range 66 {2**31 - 1}",
        )

    def test_calls_through_syscall(self):
        (record,) = self.record("""
event = (ctypes.c_uint32 * 3)(1, 0, 0)
assert libc.syscall(291, 0) == 3                    # epoll_create1
assert libc.syscall(41, 1, 1, 0) == 4               # socket
assert libc.syscall(233, 3, 1, 4, event) == 0       # epoll_ctl
assert libc.syscall(233, 3, 1, 4, event) == -1 and ctypes.get_errno() == 17
libc.syscall(281, 3, event, 1, 0, None, 8)          # epoll_pwait
""")  # fmt: skip
        self.contains(
            record,
            "epoll_create 0 0 0 0 = 3",
            "socket 0 0 0 0 = 4",
            "epoll_ctl 3 ADD 4 0x1 = 0",
            "epoll_ctl 3 ADD 4 0x0 = -17",
            "wait 3 0",
            "woke 3",
        )

    def test_what_ends_certainties(self):
        (record,) = self.record("""
e = select.epoll()
a, b = socket.socketpair()
socket.send_fds(a, [b"x"], [b.fileno(), e.fileno()])
p = select.poll()
p.register(a, 0)
p.register(e, select.POLLIN)
p.poll(0)
select.select([e], [], [], 0)
""")  # fmt: skip
        self.contains(record, "send_rights 5", "send_rights 3", "poll 3", "poll 3")
        self.assertEqual(sum(line.startswith("poll") for line in record), 2)

    def test_sockets_of_other_kinds(self):
        (record,) = self.record("""
e = select.epoll()
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
e.register(n, 1)
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.connect(("127.0.0.1", 9))
s = socket.create_server(("127.0.0.1", 0))
socket.create_connection(s.getsockname())
""")  # fmt: skip
        self.contains(record, "epoll_ctl 3 ADD 4 0x1 = 0 2", "socket 0 0 0 0 = 5", "connect 5")
        self.assertFalse(any(line.endswith("= 4") for line in record), "netlink is vouched for")
        self.assertEqual(sum(line.startswith("connect") for line in record), 1)

    def test_threads_and_processes(self):
        script = """
e = select.epoll()
t = threading.Thread(target=lambda: e.register(r, 1))
r, w = os.pipe()
t.start()
t.join()
pid = os.fork()
if pid == 0:
    os.pipe()
    os._exit(0)
os.waitpid(pid, 0)
os.close(r)
"""
        parent, child = self.record(script)
        self.contains(parent, "epoll_create", "pipe", "thread", "epoll_ctl 3 ADD", "fork", "close")
        # The child begins anew: what it inherited is unknown to it.
        self.contains(child, "pipe")
        self.assertFalse(any(line.startswith(("epoll_create", "fork")) for line in child))

    def test_shell(self):
        parent, *_ = self.record("""
libc.system(b"true")
libc.popen.restype = ctypes.c_void_p
libc.pclose(ctypes.c_void_p(libc.popen(b"true", b"r")))
""")  # fmt: skip
        self.assertEqual(sum(line.startswith("fork") for line in parent), 2, parent)

    def test_child_of_vfork_is_not_its_parent(self):
        (parent, *_) = self.record("""
import subprocess
subprocess.run(["/bin/true"], close_fds=True)
""")  # fmt: skip
        self.assertFalse(any(line.startswith("close_range") for line in parent), parent)

    def test_killed_process_keeps_its_record(self):
        (record,) = self.record("os.dup2(0, 60)\nos.kill(os.getpid(), 9)", status=-9)
        self.contains(record, "dup 0 0 0 0 = 60")

    def test_folder_that_is_not_there(self):
        done = subprocess.run(
            ["/bin/true"],
            env={"RECORD_DIR": "/nonexistent", "LD_PRELOAD": LIBRARY},
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.returncode, 125)
        self.assertIn("/nonexistent", done.stderr)


if __name__ == "__main__":
    unittest.main()
