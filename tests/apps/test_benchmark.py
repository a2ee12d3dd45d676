#!/usr/bin/python3
"""What must not happen: that figures go to the wrong subject, or that a failure is left out.

BUILD in the environment names the folder with the shim and compare_runs.
"""
import contextlib
import io
import json
import os
import select
import subprocess
import sys
import types
import unittest
from unittest import mock

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)

import benchmark  # noqa: E402
from programs.loads import Load, Measured, cpu_seconds  # noqa: E402

BUILD = os.path.realpath(os.environ.get("BUILD", os.path.join(HERE, "../../build")))
NATIVE, TLS, OURS = "native", "shim:tls+syscall", "shim:transparent+syscall"
BURN = """
import os, sys, time
if len(sys.argv) > 1 and os.fork() == 0:
    while time.process_time() < 0.3:
        pass
    print("burnt", flush=True)
    time.sleep(1000)
while time.process_time() < 0.2:
    pass
if len(sys.argv) > 1:
    os.wait()
"""


class Clock(unittest.TestCase):
    def test_children_count(self):
        burner = subprocess.Popen(
            [sys.executable, "-c", BURN, "fork"], stdout=subprocess.PIPE, start_new_session=True
        )
        with burner:
            self.assertEqual(burner.stdout.readline(), b"burnt\n")
            self.assertGreaterEqual(cpu_seconds(burner.pid), 0.3)
            os.killpg(burner.pid, 9)

    def test_process_that_has_ended(self):
        burner = subprocess.Popen([sys.executable, "-c", BURN])
        pidfd = os.pidfd_open(burner.pid)
        select.select([pidfd], [], [])
        os.close(pidfd)
        self.assertGreaterEqual(cpu_seconds(burner.pid), 0.2)
        burner.wait()


class Measuring(unittest.TestCase):
    def bench(self, rounds=3, use_json=False, broken=(), slow=None):
        """Requests take 1 s and 1 us, of `slow` twice that; returns what is printed, the order of
        the runs, and whether the bench has failed."""
        order = []

        def run(_load, subject, how):
            order.append(subject.name)
            factor = 2 if subject.name == slow else 1
            measured = Measured(1000, 1.0 * factor, 0.001 * factor, 2000)
            counts = {"epoll_ctl": 4000 * how.count * factor, "io_uring_enter": 0}
            faults = ["it burns"] if subject.name in broken else []
            return types.SimpleNamespace(
                measured=measured, counts=counts, faults=faults, evidence=[]
            )

        subjects = [types.SimpleNamespace(name=name) for name in (NATIVE, TLS, OURS)]
        options = types.SimpleNamespace(build=BUILD, quick=True, rounds=rounds, json=use_json)
        with mock.patch.multiple(
            benchmark, Run=run, choose_counter=lambda _: "", subjects_of=lambda *_: subjects
        ):
            bench = benchmark.Bench(options)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                bench.play(Load("test", "a test", None, (), "server"))
        return out.getvalue(), order, bench.failed

    def test_subjects_take_turns(self):
        _, order, _ = self.bench()
        rounds = [NATIVE, TLS, OURS], [TLS, OURS, NATIVE], [OURS, NATIVE, TLS]
        self.assertEqual(order[:9], sum(rounds, []))
        self.assertEqual(order[9:], [NATIVE, TLS, OURS])

    def test_figures(self):
        out, _, failed = self.bench(slow=OURS)
        self.assertFalse(failed)
        for subject, rate, cpu, calls, ratio in (
            (NATIVE, 1000, 1, 2, 1),
            (TLS, 1000, 1, 2, 1),
            (OURS, 500, 2, 4, 2),
        ):
            name = subject.replace("+", r"\+")
            self.assertRegex(out, rf"requests per second +{name} +{rate} +{1 / ratio:.4f} ")
            self.assertRegex(out, rf"CPU us per request +{name} +{cpu} +{ratio:.4f} ")
            self.assertRegex(out, rf"calls per request +{name} +{calls} +{ratio:.4f} ")

    def test_json(self):
        out, _, _ = self.bench(use_json=True, slow=OURS)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(lines), 9)
        found = [n for n in lines if n["subject"] == OURS and n["figure"].startswith("CPU")]
        self.assertEqual(len(found), 1)
        self.assertEqual((found[0]["load"], found[0]["rounds"]), ("test", 3))
        self.assertAlmostEqual(found[0]["median"], 2)
        self.assertAlmostEqual(found[0]["ratio"], 2)

    def test_tls_may_fail(self):
        out, order, failed = self.bench(broken=[TLS])
        self.assertIn(f"{TLS:25} fails in round 1: it burns\n", out)
        self.assertEqual(order.count(TLS), 1)
        self.assertFalse(failed)
        self.assertIn(f"{OURS:25}", out)

    def test_transparent_may_not(self):
        with contextlib.redirect_stderr(io.StringIO()):
            out, _, failed = self.bench(broken=[OURS])
        self.assertIn(f"{OURS:25} fails in round 1: it burns\n", out)
        self.assertTrue(failed)

    def test_native_side_fails(self):
        with contextlib.redirect_stderr(io.StringIO()):
            out, order, failed = self.bench(broken=[NATIVE])
        self.assertEqual(len(out.splitlines()), 1)
        self.assertEqual(order, [NATIVE])
        self.assertTrue(failed)


class CommandLine(unittest.TestCase):
    def tool(self, *arguments):
        command = [os.path.join(HERE, "bench"), "--build", BUILD, *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def test_bad_usage(self):
        for arguments in (["--rounds", "0"], ["--rounds", "x"], ["--only", "nosuch"], ["nosuch"]):
            done = self.tool(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)

    def test_list(self):
        done = self.tool("--list")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, "(?m)^haproxy-close +")


if __name__ == "__main__":
    unittest.main()
