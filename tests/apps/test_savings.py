#!/usr/bin/python3
"""What must not happen: that calls are miscounted, or that a missed bar goes by.

BUILD in the environment names the folder with the shim.
"""
import contextlib
import io
import os
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
import savings  # noqa: E402
from harness import Unusable  # noqa: E402
from programs.loads import Load  # noqa: E402

BUILD = os.path.realpath(os.environ.get("BUILD", os.path.join(HERE, "../../build")))
LINE = "epbatch pid=1 seen={} deferred=9 direct={} waiting=0 {} sizes=1,2 instances=1\n"


class Reading(unittest.TestCase):
    def test_processes_are_added_up(self):
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write(LINE.format(100, 10, "elided-mod=20 flush-wait=60/6 flush-close=10/5"))
            file.write(LINE.format(5, 5, "elided-mod=0"))
            file.flush()
            calls = savings.read_statistics(file.name)
        self.assertEqual(calls, savings.Calls(105, 15, 11, 70))
        self.assertEqual((calls.made(True), calls.made(False)), (26, 85))

    def test_no_statistics(self):
        with self.assertRaisesRegex(Unusable, "no statistics in /nosuch"):
            savings.read_statistics("/nosuch")


class Judging(unittest.TestCase):
    """A subject that makes `made` of 10000 calls, by its own word and the kernel's."""

    def play(self, made, kernel=None, subject="shim:transparent+uring", needed=1000, **bars):
        load = Load("test", "a test", None, (), "server", **bars)
        tally = driver.Tally()
        options = types.SimpleNamespace(counter="count" if kernel is not None else None)
        judge = savings.Savings(load, options, tally)
        judge.record = savings.Calls(10000, needed, 0, 0)
        counts = {"epoll_ctl": kernel, "io_uring_enter": 0}
        run = types.SimpleNamespace(counts=counts, faults=[])
        name = types.SimpleNamespace(name=subject, file_name=lambda: "subject")
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "test.subject.server"), "w") as file:
                # Half at once and half in batches of 2.
                file.write(LINE.format(10000, made // 2, f"flush-wait={made}/{made // 2}"))
            with mock.patch.object(judge, "run", lambda *_, **__: run):
                with contextlib.redirect_stdout(io.StringIO()) as out:
                    judge.play(name, folder)
        return out.getvalue(), (tally.passed, tally.failed)

    def test_bar_of_what_is_saved(self):
        out, tally = self.play(1000, saved=90)
        self.assertRegex(out, r" 10000 +1000 +500 +500 +1000 +90\.0 % +100\.0 %  saved >= 90 %: held$")
        self.assertEqual(tally, (1, 0))
        out, tally = self.play(1020, saved=90)
        self.assertRegex(out, r" 89\.8 % +99\.8 %  saved >= 90 %: MISSED$")
        self.assertEqual(tally, (0, 1))

    def test_bar_of_what_can_be_saved(self):
        # 5000 can be saved, so 4250 have to be.
        out, tally = self.play(5740, needed=5000, of_savable=85)
        self.assertRegex(out, r"of it >= 85 %: held$")
        self.assertEqual(tally, (1, 0))
        out, tally = self.play(5760, needed=5000, of_savable=85)
        self.assertRegex(out, r" 84\.8 %  of it >= 85 %: MISSED$")
        self.assertEqual(tally, (0, 1))

    def test_kernel_has_the_last_word(self):
        out, tally = self.play(1000, kernel=3000, saved=90)
        self.assertRegex(out, r" 10000 +3000 .*MISSED$")
        self.assertEqual(tally, (0, 1))

    def test_no_bar_without_batches(self):
        # Here a batch is two calls: 500 + 1000.
        out, tally = self.play(1000, subject="shim:transparent+syscall", saved=90)
        self.assertRegex(out, r" 10000 +1500 +500 +500 +1000 +85\.0 % +94\.4 %$")
        self.assertEqual(tally, (1, 0))

    def test_nothing_to_save(self):
        out, tally = self.play(10000, needed=9001, of_savable=85)
        self.assertRegex(out, r" 0\.0 % +-  none: fewer than 1000 calls can be saved$")
        self.assertEqual(tally, (1, 0))
        # That is no excuse for a bar of what is saved.
        self.assertEqual(self.play(10000, needed=9001, saved=90)[1], (0, 1))


class Failing(unittest.TestCase):
    def judge(self):
        options = types.SimpleNamespace(counter=None, build=BUILD)
        load = Load("test", "a test", None, (), "server")
        return savings.Savings(load, options, driver.Tally())

    def quietly(self, what, *arguments):
        run = types.SimpleNamespace(faults=["it burns"], evidence=[])
        with mock.patch.object(savings, "Run", lambda *_: run):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                what(*arguments)
        return out.getvalue()

    def test_program_under_the_subject(self):
        judge = self.judge()
        subject = types.SimpleNamespace(name="shim:x+y")
        self.assertEqual(self.quietly(judge.play, subject, "/"), "FAIL test shim:x+y: it burns\n")
        self.assertEqual((judge.tally.passed, judge.tally.failed), (0, 1))

    def test_program_under_the_recorder(self):
        judge = self.judge()
        with mock.patch.object(savings, "Subject", mock.MagicMock()):
            self.assertIn("it burns", self.quietly(judge.take_record, "/"))
        self.assertTrue(judge.tally.unusable)
        self.assertIsNone(judge.record)


class CommandLine(unittest.TestCase):
    def test_bad_usage(self):
        for arguments, said in (
            (["nosuch"], "unknown program 'nosuch', expected one of: redis-benchmark "),
            (["--count"], "no --count"),
            (["--subject", "native"], "natively nothing is saved"),
        ):
            done = subprocess.run(
                [os.path.join(HERE, "run"), "--build", BUILD, "--savings", *arguments],
                capture_output=True,
                text=True,
            )
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
