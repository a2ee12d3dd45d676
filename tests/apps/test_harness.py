#!/usr/bin/python3
"""What must not happen: that the harness calls a broken run good, or leaves something behind.

Each test breaks one thing that a program or a subject can break. BUILD in the environment names the
folder with the shim.
"""
import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import driver  # noqa: E402
import harness  # noqa: E402
from programs.table import Program  # noqa: E402

BUILD = os.path.realpath(os.environ.get("BUILD", os.path.join(HERE, "../../build")))
SH, SLEEP = "/bin/sh", "/bin/sleep"


def options(**given):
    defaults = {
        "quick": True,
        "stats": None,
        "count": False,
        "keep": None,
        "build": BUILD,
        "subjects": [harness.Subject("native", BUILD)],
    }
    return types.SimpleNamespace(**{**defaults, **given})


class Case(unittest.TestCase):
    def setUp(self):
        harness.adopt_orphans()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        patch = mock.patch.object(tempfile, "tempdir", self.folder)
        patch.start()
        self.addCleanup(patch.stop)
        # Nothing may be left, whatever a test broke.
        self.addCleanup(lambda: self.assertEqual(harness.children(), []))
        self.addCleanup(lambda: self.assertEqual(os.listdir(self.folder), []))

    def limits(self, **seconds):
        for name, value in seconds.items():
            patch = mock.patch.object(harness, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def run_play(self, play, **given):
        program = Program("test", "a test", play, ())
        return driver.Run(program, harness.Subject("native", BUILD), options(**given))

    def play_program(self, play, quick=True, **attributes):
        """What is printed for a program, and the tally."""
        tally = driver.Tally()
        program = Program("test", "a test", play, (), **attributes)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            with contextlib.redirect_stderr(io.StringIO()) as err:
                driver.play_program(program, options(quick=quick), tally)
        return out.getvalue(), err.getvalue(), tally


class Waiting(unittest.TestCase):
    """A machine that stood still is no program that hangs."""

    def wait(self, *answers):
        clock = iter(range(0, 10**6, 100))  # 100 s pass with each look at it
        poll = mock.Mock()
        poll.poll.side_effect = answers
        with mock.patch.object(harness.time, "monotonic", lambda: next(clock)):
            return harness.Patience(3).poll(poll)

    def test_what_comes_after_a_halt(self):
        self.assertEqual(self.wait([], [], [(7, 1)]), [(7, 1)])

    def test_what_does_not_come(self):
        self.assertEqual(self.wait([], [], []), [])


class Servers(Case):
    def test_good_one(self):
        def play(room):
            script = "trap 'kill $!; exit 0' TERM; echo ready; sleep 1000 & wait"
            server = room.start("server", [SH, "-c", script], ready="^ready$")
            self.assertEqual(room.run("client", [SH, "-c", "echo hello"]), "hello\n")
            room.stop(server)
            room.summary = "all well"

        run = self.run_play(play)
        self.assertEqual((run.faults, run.evidence, run.summary), ([], [], "all well"))
        self.assertEqual(run.facts, {"end of server": "0"})

    def test_that_ends_with_an_error(self):
        def play(room):
            server = room.start("server", [SH, "-c", "echo ready; exit 3"], ready="ready")
            harness.wait_ended(server.popen, 10)
            room.stop(server)

        self.assertEqual(self.run_play(play).faults, ["end of server: 3, expected 0"])

    def test_that_is_killed(self):
        def play(room):
            server = room.start("server", [SH, "-c", "echo ready; kill -9 $$"], ready="ready")
            harness.wait_ended(server.popen, 10)
            room.run("client", [SH, "-c", "echo no answer; exit 1"])

        faults = self.run_play(play).faults
        self.assertEqual(
            faults, ["server ended by itself: killed by SIGKILL", "client: status 1: no answer"]
        )

    def test_that_never_gets_ready(self):
        self.limits(START_SECONDS=0.2)
        run = self.run_play(lambda room: room.start("server", [SLEEP, "1000"], ready="ready"))
        self.assertEqual(run.faults, ["waited 0.2 s for server to get ready"])

    def test_that_ends_before_it_is_ready(self):
        def play(room):
            room.start("server", [SH, "-c", "echo no room; exit 7"], ready="ready")

        run = self.run_play(play)
        self.assertIn("server ended while waiting for server to get ready: status 7", run.faults)
        self.assertEqual(run.evidence, ["server: no room"])

    def test_that_does_not_stop(self):
        self.limits(STOP_SECONDS=0.2)

        def play(room):
            script = "trap '' TERM; echo ready; while :; do sleep 1000; done"
            room.stop(room.start("server", [SH, "-c", script], ready="ready"))

        expected = "end of server: none within 0.2 s of SIGTERM, expected 0"
        self.assertEqual(self.run_play(play).faults, [expected])

    def test_that_leaves_a_process_behind(self):
        self.limits(STOP_SECONDS=0.2)
        run = self.run_play(lambda room: room.run("client", [SH, "-c", "sleep 1000 & exit 0"]))
        self.assertEqual(run.faults, ["left behind: sleep"])

    def test_orphan_that_ends_soon_is_no_fault(self):
        run = self.run_play(lambda room: room.run("client", [SH, "-c", "sleep 0.2 & exit 0"]))
        self.assertEqual(run.faults, [])

    def test_port_is_kept_for_it(self):
        def play(room):
            port = room.port()
            script = (
                "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
                "print('ready', flush=True); s.accept()"
            )
            room.start("server", ["/usr/bin/python3", "-c", script, port], ready="ready")
            harness.socket.create_connection(("127.0.0.1", port)).close()

        self.assertEqual(self.run_play(play).faults, [])


class Clients(Case):
    def test_that_fails(self):
        run = self.run_play(lambda room: room.run("client", [SH, "-c", "echo lost 3; exit 1"]))
        self.assertEqual(run.faults, ["client: status 1: lost 3"])

    def test_that_crashes(self):
        run = self.run_play(lambda room: room.run("client", [SH, "-c", "kill -SEGV $$"]))
        self.assertEqual(run.faults, ["client: status killed by SIGSEGV: "])

    def test_that_hangs(self):
        self.limits(CLIENT_SECONDS_QUICK=0.2)
        run = self.run_play(lambda room: room.run("client", [SLEEP, "1000"]))
        self.assertEqual(run.faults, ["client has not ended after 0.2 s"])


class Scripts(Case):
    def test_that_meets_what_it_does_not_expect(self):
        """A server that answers nonsense makes a script stumble, which is the server's fault."""

        def play(room):
            room.start("server", [SH, "-c", "echo ready; exec sleep 1000"], ready="ready")
            raise TimeoutError("timed out")

        run = self.run_play(play)
        self.assertEqual(run.faults, ["TimeoutError: timed out"])
        self.assertRegex(run.evidence[-1], r"^script: .*test_harness.py.* in play")


class Environment(Case):
    def environment_of(self, room, **how):
        said = room.run("env", ["/usr/bin/env"], **how)
        return dict(line.partition("=")[::2] for line in said.splitlines())

    def test_shim_is_before_what_is_tested_alone(self):
        library = os.path.join(self.folder, "libnothing.so")
        seen = {}

        def play(room):
            seen["subject"] = self.environment_of(room)
            seen["native"] = self.environment_of(room, native=True)

        with mock.patch.dict(os.environ, EPBATCH_POLICY="mine", LD_PRELOAD="", MARK="kept"):
            subject = harness.Subject("native", BUILD)
            subject.environment = {"LD_PRELOAD": library, "EPBATCH_POLICY": "tls"}
            program = Program("test", "a test", play, ())
            driver.Run(program, subject, options(stats="/stats"))
        self.assertEqual(seen["subject"]["LD_PRELOAD"], library)
        self.assertEqual(seen["subject"]["EPBATCH_POLICY"], "tls")
        self.assertEqual(seen["subject"]["EPBATCH_STATS"], "/stats/test.native.env")
        self.assertEqual(seen["subject"]["MARK"], "kept")
        for name in ("LD_PRELOAD", "EPBATCH_POLICY", "EPBATCH_STATS"):
            self.assertNotIn(name, seen["native"])


class Comparing(Case):
    """The native side is played first, then the subject; `values` gives each of them its facts."""

    def compare(self, *values, **attributes):
        turns = iter(values)

        def play(room, only=None):
            facts = next(turns)
            for name, value in facts.items():
                room.fact(name, value)
            for text in facts.get("faults", []):
                room.fault(text)
            room.summary = "done"

        return self.play_program(play, **attributes)

    def test_equal(self):
        out, err, tally = self.compare({"a": 1}, {"a": 1})
        self.assertRegex(out, r"^ok   test native: done, \d+\.\d s\n$")
        self.assertEqual((err, tally.passed, tally.failed), ("", 1, 0))

    def test_different(self):
        out, err, tally = self.compare({"a": 1, "b": 2}, {"a": 1, "b": 3})
        self.assertEqual(out, "FAIL test native: b: 3, natively 2\n")
        self.assertEqual((tally.passed, tally.failed), (0, 1))

    def test_absent(self):
        out, _, _ = self.compare({"a": 1}, {"b": 1})
        self.assertEqual(out, "FAIL test native: a: absent, natively 1 (and 1 more)\n")

    def test_fault(self):
        out, _, _ = self.compare({"a": 1}, {"faults": ["it burns"]})
        self.assertEqual(out, "FAIL test native: it burns (and 1 more)\n")

    def test_fault_natively(self):
        out, err, tally = self.compare({"faults": ["it burns"]})
        self.assertEqual(out, "")
        self.assertIn("natively: it burns: nothing to compare with", err)
        self.assertTrue(tally.unusable)

    def test_unstable_natively(self):
        # Two native runs, which differ in a; the subject differs from both.
        runs = {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 3, "b": 1}
        out, _, tally = self.compare(*runs, references=2, quick=False)
        self.assertRegex(out, "^ok .*1 set aside, for native runs differ in them$")
        self.assertEqual((tally.passed, tally.failed), (1, 0))

    def confirm(self, native, other):
        """A difference in a, and what the runs that confirm it say of a."""
        turns = [{"a": value} for pair in zip(native, other) for value in pair]
        return self.compare({"a": 1}, {"a": 2}, *turns, repeatable=True)[0]

    def test_difference_that_shows_again(self):
        out = self.confirm([1, 1, 1, 1], [1, 1, 1, 2])
        self.assertEqual(out, "FAIL test native: a: 2, natively 1\n")

    def test_difference_that_does_not_show_again(self):
        out = self.confirm([1, 1, 1, 1], [1, 1, 1, 1])
        self.assertRegex(out, "^ok .*; once and not again: a: 2, natively 1$")

    def test_difference_that_shows_natively_too(self):
        out = self.confirm([1, 1, 1, 2], [2, 2, 2, 2])
        self.assertRegex(out, "^ok .*; 1 set aside, for native runs differ in them$")


class CommandLine(Case):
    def tool(self, *arguments, **environment):
        return subprocess.run(
            [os.path.join(HERE, "run"), "--build", BUILD, *arguments],
            env={**os.environ, "TMPDIR": self.folder, **environment},
            capture_output=True,
            text=True,
        )

    def test_bad_usage(self):
        for arguments, said in (
            (["nosuch"], "unknown program 'nosuch', expected one of: redis "),
            (["--subject", "nosuch"], "expected native, shim:POLICY+BACKEND or preload:PATH"),
            (["--subject", "shim:"], "expected native"),
            (["--subject", "preload:/a b.so"], "which LD_PRELOAD cannot hold"),
            (["--subject", "preload:/nosuch.so"], "/nosuch.so cannot be read"),
            (["--nosuch"], "unrecognized arguments"),
        ):
            done = self.tool(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(said, done.stderr)

    def test_subject_that_does_not_start(self):
        done = self.tool("--subject", "shim:nosuch", "python-test_epoll")
        self.assertEqual(done.returncode, 3)
        self.assertIn('EPBATCH_POLICY is "nosuch"', done.stderr)
        self.assertEqual(done.stdout, "0 passed, 0 failed\n")
        done = self.tool("--build", "/nosuch", "--subject", "shim:tls", "python-test_epoll")
        self.assertEqual(done.returncode, 3)
        self.assertIn("/nosuch/libepbatch.so is not there", done.stderr)

    def test_all_backends(self):
        subjects = harness.subjects_of(["native", "shim:tls+all"], BUILD)
        names = [subject.name for subject in subjects]
        self.assertEqual(names[:2], ["native", "shim:tls+syscall"])

    def test_backend_that_is_not_there(self):
        with mock.patch.object(harness, "BACKENDS", ("syscall", "nosuch")):
            with contextlib.redirect_stderr(io.StringIO()) as err:
                subjects = harness.subjects_of(["shim:tls+all"], BUILD)
        self.assertEqual([subject.name for subject in subjects], ["shim:tls+syscall"])
        self.assertIn("left out: shim:tls+nosuch does not start", err.getvalue())

    def test_missing_package(self):
        program = Program("test", "a test", None, (("/nosuch", "some-package"), (SH, "dash")))
        with self.assertRaisesRegex(harness.Unusable, r"packages: some-package \(`ci/setup apps`"):
            driver.check_packages([program])

    def test_list(self):
        done = self.tool("--list")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^python-test_asyncio +full ")


class Interrupting(Case):
    def test_nothing_is_left(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            script = f"""
import sys
sys.path.insert(0, {HERE!r})
import driver, harness
from programs.table import Program
def play(room):
    room.start("server", ["/bin/sh", "-c", "trap '' TERM; echo up; sleep 1000"], ready="up")
    room.start("other", ["/bin/sh", "-c", "setsid sleep 1000 & echo up; wait"], ready="up")
    print("playing", flush=True)
    room.run("client", ["/bin/sleep", "1000"])
driver.PROGRAMS = (Program("test", "a test", play, ()),)
sys.argv[1:] = ["--build", {BUILD!r}]
sys.exit(driver.main())
"""
            environment = {**os.environ, "TMPDIR": self.folder}
            tool = subprocess.Popen(
                [sys.executable, "-B", "-c", script],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self.assertEqual(tool.stdout.readline(), "playing\n")
            tool.send_signal(number)
            out, err = tool.communicate(timeout=60)
            self.assertEqual(tool.returncode, 3, err)
            self.assertEqual(out, "0 passed, 0 failed\n")
            self.assertIn(f"ended by {number.name}", err)
            # Processes that are left would have become our children: setUp looks for them.
            self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    unittest.main()
