#!/usr/bin/python3
"""What must not happen: that a night is called good which was not, or is lost; that a finding is lost, or known to nobody;
that a part is passed over in silence; that something is left running.

The parts are made up, and tool.sh stands in for epdiff.
"""
import contextlib
import copy
import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree as tree
from unittest import mock

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "ci", "night"))

import conclude  # noqa: E402
import options as night_options  # noqa: E402
import parts  # noqa: E402
import plan  # noqa: E402
import processes  # noqa: E402
from night import Night  # noqa: E402
from parts import Outcome, Part  # noqa: E402

HOUR = 1.0


def part(name, weight=1, least=1, most=None, run=None, **more):
    def fine(night, one, seconds):
        night.played.append((name, int(seconds), night.seed_of(one)))
        return Outcome("ok", f"{name} did something")

    return Part(name, "made up", run or fine, weight, least, most, builds=more.pop("builds", ()), **more)


def shell(script):
    """A part that is one shell script; any status but 0 fails."""

    def run(night, one, seconds):
        night.played.append((one.name, int(seconds), night.seed_of(one)))
        ended, _ = night.command(one, ["/bin/sh", "-c", script], 600)
        return parts.judge(ended, "a script")

    return run


class Plan(unittest.TestCase):
    def test_time_goes_by_weight(self):
        given = plan.shares([part("a", 3), part("b", 1)], 400)
        self.assertEqual(given, {"a": 300.0, "b": 100.0})

    def test_least_and_most_are_kept_and_the_rest_is_split_again(self):
        given = plan.shares([part("a", 6), part("b", 1, least=50), part("c", 3, most=30)], 200)
        self.assertEqual(given["b"], 50.0)
        self.assertEqual(given["c"], 30.0)
        self.assertEqual(given["a"], 120.0)

    def test_what_lacks_its_least_may_bring_others_below_their_most(self):
        # By weight alone b has 90, more than its 80; when a has its 70, b is left with 30.
        given = plan.shares([part("a", 1, least=70), part("b", 9, most=80)], 100)
        self.assertEqual(given, {"a": 70.0, "b": 30.0})

    def test_what_is_more_important_fits_first(self):
        table = [part("a", least=50), part("b", least=60), part("c", least=40)]
        names = [each.name for each in plan.fits(table, 100, lambda chosen: 0)]
        self.assertEqual(names, ["a", "c"])

    def test_a_build_is_paid_once_by_whoever_needs_it(self):
        table = [part("a", least=10, builds=("x",)), part("b", least=10, builds=("x",)), part("c", least=10, builds=("y",))]

        def cost(chosen):
            return 50 * len({flavour for each in chosen for flavour in each.builds})

        self.assertEqual([each.name for each in plan.fits(table, 70, cost)], ["a", "b"])
        self.assertEqual([each.name for each in plan.fits(table, 130, cost)], ["a", "b", "c"])
        self.assertEqual(plan.fits(table, 59, cost), [])


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.tool = os.path.join(self.folder, "build")
        os.mkdir(self.tool)
        shutil.copy(os.path.join(HERE, "tool.sh"), os.path.join(self.tool, "epdiff"))
        self.out = os.path.join(self.folder, "out")
        self.known = os.path.join(self.folder, "known.txt")
        self.say_to(self.known, "")
        self.say_to(os.path.join(self.tool, "findings"), "")
        patch = mock.patch.dict(os.environ, {"EPDIFF_BUILD": self.tool})
        patch.start()
        self.addCleanup(patch.stop)
        # Nothing may be left, whatever the night was.
        self.addCleanup(lambda: self.assertEqual(processes.children(), []))

    @staticmethod
    def say_to(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, *path):
        with open(os.path.join(self.out, *path), encoding="utf-8") as file:
            return file.read()

    def night(self, table, resume=None, hours=HOUR, chosen=None):
        given = types.SimpleNamespace(
            resume=resume,
            out=self.out,
            hours=hours,
            seed=7,
            subject=["shim:hash"],
            known=self.known,
            chosen=chosen,
            corpus=None,
            since=None,
        )
        night = Night(given, self.folder, table, {"x": 100}, lambda text: None)
        night.played = []
        return night

    def finds(self, *findings, origin="shrunk to 3"):
        """What the tool will say that it found: (subject, signature, known)."""
        lines = []
        for number, (subject, signature, known, *more) in enumerate(findings):
            file = os.path.join(self.folder, f"{number}.epd")
            self.say_to(file, "a long program\n")
            line = {"known": known, "subject": subject, "signature": signature, "steps": 9 + number, "file": file}
            line.update({"origin": origin, "explanation": "It is <b>wrong</b> | so.\n", "parallel": False})
            line.update(*more)
            lines.append(json.dumps(line) + "\n")
        self.say_to(os.path.join(self.tool, "findings"), "".join(lines))

        def run(night, one, seconds):
            night.findings(one)
            return Outcome("ok")

        return part("finder", run=run)

    def results(self):
        return {name: record["result"] for name, record in json.loads(self.read("night.json"))["parts"].items()}


class Nights(Case):
    def test_every_part_has_its_share_and_its_line(self):
        night = self.night([part("a", 3, most=900), part("b", 1)])
        self.assertEqual(night.run(), 0)
        self.assertEqual([name for name, _, _ in night.played], ["a", "b"])
        self.assertEqual(night.played[0][1], 900)
        self.assertGreater(night.played[1][1], 2000)
        text = self.read("summary.md")
        self.assertTrue(text.startswith("# Nothing new\n"), text)
        self.assertRegex(text, r"\| a \| \d+ \| ok \| a did something \|")
        self.assertRegex(text, r"\| canary \| \d+ \| ok \| .*caught")

    def test_without_the_canary_the_night_is_invalid(self):
        self.say_to(os.path.join(self.tool, "no-canary"), "")
        night = self.night([part("a")])
        self.assertEqual(night.run(), 3)
        self.assertEqual(night.played, [])
        self.assertTrue(self.read("summary.md").startswith("# INVALID NIGHT: the canary shim:naive+syscall was not caught"))
        self.assertIn("<failure", self.read("junit.xml"))

    def test_a_part_that_fails_is_told_and_the_others_go_on(self):
        def broken(night, one, seconds):
            raise FileNotFoundError(2, "No such file", "/nonexistent")

        night = self.night([part("a", run=shell("exit 3")), part("b", run=broken), part("c")])
        self.assertEqual(night.run(), 1)
        self.assertEqual(self.results(), {"canary": "ok", "a": "failed", "b": "failed", "c": "ok"})
        self.assertTrue(self.read("summary.md").startswith("# Failed: a, b\n"))
        self.assertRegex(self.read("summary.md"), r"\| a \| \d+ \| failed \| status 3; a script \|")

    def test_what_does_not_fit_or_cannot_be_is_left_out_and_said(self):
        table = [part("a"), part("b", least=5000), part("c", why_not=lambda night: "no such machine")]
        night = self.night(table, hours=0.5)
        self.assertEqual(night.run(), 0)
        self.assertEqual([name for name, _, _ in night.played], ["a"])
        self.assertRegex(self.read("summary.md"), r"\| b \| 0 \| left out \| of the \d+ s that are left it would need \d+ \|")
        self.assertRegex(self.read("summary.md"), r"\| c \| 0 \| left out \| no such machine \|")

    def test_a_usual_night_reaches_every_part(self):
        # The default, and the workflow's: each part takes all that it is given.
        for hours in (8, 5):
            clock, given = [0.0], {}
            table = [copy.copy(each) for each in parts.TABLE]
            for each in table:
                each.why_not = lambda night: ""
            with mock.patch("time.time", lambda: clock[0]):
                self.out = os.path.join(self.folder, f"out{hours}")
                night = self.night(table, hours=hours)
                night.cpus, night.slowness, night.build_seconds = 2, 1, parts.BUILDS
                clock[0] = 600.0  # set-up and canary

                def play(one, seconds):
                    given[one.name] = seconds
                    clock[0] += seconds + night.cost([one])
                    night.state.builds.update(dict.fromkeys(one.builds, {}))

                with mock.patch.object(night, "play_part", play):
                    night.play()
                self.assertEqual({name: record["why"] for name, record in night.state.parts.items()}, {})
            self.assertEqual([*given], [each.name for each in table])
            for each in table:
                self.assertGreaterEqual(given[each.name] + 1, each.least, each.name)

    def test_a_build_that_fails_fails_what_needs_it(self):
        # No CMake project is there.
        night = self.night([part("a", builds=("x",)), part("b", builds=("x",)), part("c")])
        self.assertEqual(night.run(), 1)
        self.assertEqual(self.results(), {"canary": "ok", "a": "failed", "b": "failed", "c": "ok"})
        self.assertIn("the build of x failed", self.read("summary.md"))

    def test_a_build_has_the_time_that_is_left(self):
        bin_folder = os.path.join(self.folder, "bin")
        os.mkdir(bin_folder)
        self.say_to(os.path.join(bin_folder, "cmake"), "#!/bin/sh\nexec sleep 1000\n")
        os.chmod(os.path.join(bin_folder, "cmake"), 0o755)
        night = self.night([part("a", least=0, builds=("x",)), part("b", least=0)])
        path = {"PATH": bin_folder + ":" + os.environ["PATH"]}
        # So little that the build is ended at once, and room for parts that need nothing.
        night.build_seconds = {"x": 0}
        with mock.patch.dict(os.environ, path), mock.patch.object(night, "left", lambda: 0.1):
            with mock.patch("night.OVERHEAD", 0):
                self.assertEqual(night.run(), 0)
        self.assertEqual(self.results(), {"canary": "ok", "a": "left out", "b": "ok"})
        self.assertIn("the build of x took too long", self.read("summary.md"))

    def test_an_engine_that_is_not_built_is_a_failure(self):
        night = self.night([part("a", run=parts.guided(parts.guided_libfuzzer)), part("b", run=parts.small_targets)])
        self.assertEqual(night.run(), 1)
        self.assertIn("build-engines/fuzz-program is not built", self.read("summary.md"))
        self.assertIn("build-engines-asan/fuzz-text is not built", self.read("summary.md"))

    def test_only_chosen_parts(self):
        # However little time there is for what it would need.
        night = self.night([part("a"), part("b", least=10**6)], chosen=["b"])
        self.assertEqual(night.run(), 0)
        self.assertEqual(self.results(), {"canary": "ok", "b": "ok"})

    def test_a_malformed_list_ends_it_at_once(self):
        self.say_to(self.known, "malformed\n")
        said = []
        night = self.night([part("a")])
        night.say = said.append
        self.assertEqual(night.run(), 2)
        self.assertEqual(said[-1], f"{self.known}:1:1: malformed")
        self.assertEqual(night.played, [])

    def test_what_a_part_leaves_running_is_ended(self):
        pid = os.path.join(self.folder, "pid")
        night = self.night([part("a", run=shell(f"setsid sleep 1000 & echo $! >{pid}"))])
        self.assertEqual(night.run(), 0)
        with open(pid, encoding="utf-8") as file:
            self.assertFalse(os.path.exists("/proc/" + file.read().strip()))


class Endings(Case):
    def test_a_stopped_night_keeps_what_it_has_and_goes_on(self):
        stop = os.path.join(self.folder, "stop")
        self.say_to(stop, "")
        second = shell(f"[ ! -e {stop} ] || {{ kill -TERM $PPID; exec sleep 1000; }}")
        table = [part("a"), part("b", run=second), part("c")]
        night = self.night(table)
        self.assertEqual(night.run(), 128 + signal.SIGTERM)
        self.assertEqual(self.results(), {"canary": "ok", "a": "ok", "b": "stopped"})
        text = self.read("summary.md")
        self.assertRegex(text, "^# Stopped by SIGTERM; ci/nightly --resume .* goes on\n")
        self.assertRegex(text, r"\| c \| 0 \| not reached \|")
        first_seed = dict((name, seed) for name, _, seed in night.played)["b"]

        os.unlink(stop)
        record = json.loads(self.read("night.json"))
        record["used"] = 600.0
        self.say_to(os.path.join(self.out, "night.json"), json.dumps(record))
        again = self.night(table, resume=self.out, hours=None)
        self.assertEqual(again.seconds, HOUR * 3600 - 600)
        self.assertEqual(again.run(), 0)
        self.assertEqual([name for name, _, _ in again.played], ["b", "c"])
        self.assertNotEqual(again.played[0][2], first_seed)
        self.assertEqual(set(self.results().values()), {"ok"})
        self.assertTrue(self.read("summary.md").startswith("# Nothing new\n"))

    def test_a_killed_night_goes_on_where_it_was(self):
        killed = {}

        def kill(night, one, seconds):
            killed.setdefault("json", self.read("night.json"))
            night.played.append((one.name, int(seconds), night.seed_of(one)))
            return Outcome("ok")

        table = [part("a"), part("b", run=kill)]
        night = self.night(table)
        night.began -= 600  # so long ago
        night.run()
        # What there is when the kill comes: nothing behind it was written.
        self.say_to(os.path.join(self.out, "night.json"), killed["json"])
        self.assertEqual(self.results(), {"canary": "ok", "a": "ok", "b": "running"})
        again = self.night(table, resume=self.out, hours=None)
        self.assertLessEqual(again.seconds, HOUR * 3600 - 600)
        self.assertGreater(again.seconds, HOUR * 3600 - 700)
        self.assertEqual(again.run(), 0)
        self.assertEqual([name for name, _, _ in again.played], ["b"])
        self.assertGreaterEqual(json.loads(self.read("night.json"))["used"], 600)

    def test_a_failed_end_is_done_again(self):
        night = self.night([part("a")])
        night.run()
        night.state.record("findings", "failed", "not every finding can be read")
        again = self.night([part("a")], resume=self.out, hours=None)
        self.assertEqual(again.run(), 0)
        self.assertTrue(self.read("summary.md").startswith("# Nothing new\n"))

    def test_a_second_signal_does_not_wait(self):
        script = 'trap "kill -INT $PPID" TERM; kill -INT $PPID; while :; do sleep 1000 & wait; done'
        with mock.patch.object(processes, "GRACE", 3600):
            self.assertEqual(self.night([part("a", run=shell(script))]).run(), 128 + signal.SIGINT)

    def test_new_findings_of_a_stopped_night_are_told(self):
        self.say_to(os.path.join(self.tool, "interrupts"), "")
        night = self.night([self.finds(("shim:hash+syscall", "a/B1/c", False), ("shim:hash+syscall", "d/B1/e", True))])
        self.assertEqual(night.run(), 1)
        self.assertTrue(self.read("summary.md").startswith("# 1 new finding; stopped by SIGINT; "), self.read("summary.md"))
        self.assertIn("`a/B1/c`, 9 steps, unchecked", self.read("summary.md"))

    def test_a_command_has_an_end(self):
        def late(night, one, seconds):
            ended, _ = night.command(one, ["/bin/sleep", "1000"], 0)
            return parts.judge(ended, "")

        self.assertEqual(self.night([part("a", run=late)]).run(), 1)
        self.assertIn("it did not end in its time", self.read("summary.md"))


class Findings(Case):
    def test_new_ones_are_confirmed_known_ones_counted(self):
        finder = self.finds(("shim:hash+syscall", "a/B1/c", False), ("shim:hash+syscall", "a/B1/d", True))
        self.assertEqual(self.night([finder]).run(), 1)
        self.assertEqual(os.listdir(os.path.join(self.out, "new", "shim_hash+syscall")), ["a_B1_c.epd"])
        text = self.read("summary.md")
        self.assertTrue(text.startswith("# 1 new finding\n"), text)
        self.assertIn("Known, by the list: 1.", text)
        self.assertIn("It is &lt;b>wrong&lt;/b> \\| so.", text)
        self.assertRegex(text, r"`build/epdiff run out/new/shim_hash\+syscall/a_B1_c.epd --subject shim:hash\+syscall`")
        self.assertEqual(self.read("report.html"), "report\n")

    def test_findings_of_the_machine_alone_are_findings(self):
        night = self.night([self.finds(("shim:hash+module", "a/B1/c", False)), part("b", why_not=parts.nobody)])
        night.state.subjects = ["shim:hash+module"]
        with mock.patch.object(conclude, "tool_for", lambda *_: [night.tool()]):
            self.assertEqual(night.run(), 1)
        self.assertTrue(self.read("summary.md").startswith("# 1 new finding\n"))
        self.assertRegex(self.read("summary.md"), r"\| b \| 0 \| left out \| no clean subject runs on this machine")

    def test_with_everything_listed_nothing_is_new(self):
        self.assertEqual(self.night([self.finds(("shim:hash+syscall", "a/B1/c", True))]).run(), 0)
        self.assertFalse(os.path.exists(os.path.join(self.out, "new")))

    def test_one_signature_is_one_finding_by_its_smallest_program(self):
        finder = self.finds(*[("shim:hash+syscall", "a/B1/c", False)] * 3, ("shim:hash+uring", "a/B1/c", False))
        self.assertEqual(self.night([finder]).run(), 1)
        self.assertTrue(self.read("summary.md").startswith("# 2 new findings\n"))
        self.assertIn("`shim:hash+syscall` `a/B1/c`, 9 steps, confirmed", self.read("summary.md"))

    def test_what_does_not_come_again_is_counted_and_no_finding(self):
        finder = self.finds(("shim:hash+syscall", "a/B1/c", False))
        self.say_to(os.path.join(self.tool, "gone"), os.path.join(self.folder, "0.epd") + "\n")
        self.assertEqual(self.night([finder]).run(), 0)
        self.assertIn("the signature did not come again: 1.", self.read("summary.md"))

    def test_another_program_of_the_signature_is_tried(self):
        finder = self.finds(*[("shim:hash+syscall", "a/B1/c", False)] * 2)
        self.say_to(os.path.join(self.tool, "gone"), os.path.join(self.folder, "0.epd") + "\n")
        self.assertEqual(self.night([finder]).run(), 1)
        self.assertIn("`a/B1/c`, 10 steps, confirmed", self.read("summary.md"))

    def test_what_is_not_shrunk_is_shrunk(self):
        self.assertEqual(self.night([self.finds(("shim:hash+syscall", "a/B1/c", False), origin="an engine")]).run(), 1)
        self.assertIn("`a/B1/c`, 3 steps, confirmed", self.read("summary.md"))
        self.assertIn("  Now it is &lt;b>wrong", self.read("summary.md"))
        self.assertEqual(self.read("new", "shim_hash+syscall", "a_B1_c.epd"), "a short program\n")

    def test_a_recorded_history_is_proof_and_goes_along(self):
        finder = self.finds(("shim:hash+syscall", "parallel/epoll_ctl", False, {"parallel": True}))
        self.say_to(os.path.join(self.folder, "0.history"), "the run\n")
        self.say_to(os.path.join(self.tool, "gone"), os.path.join(self.folder, "0.epd") + "\n")
        self.assertEqual(self.night([finder]).run(), 1)
        self.assertEqual(self.read("new", "shim_hash+syscall", "parallel_epoll_ctl.history"), "the run\n")

    def test_a_crashing_input_is_confirmed_and_told_once(self):
        folder = os.path.join(self.folder, "build-engines-asan")
        os.mkdir(folder)
        target = os.path.join(folder, "fuzz-text")
        self.say_to(target, '#!/bin/sh\ngrep -q bad "$1" && { echo "text: two <readings>"; exit 77; }\nexit 0\n')
        os.chmod(target, 0o755)

        def run(night, one, seconds):
            for name, text in (("crash-1", "bad"), ("crash-2", "bad too"), ("crash-3", "good")):
                self.say_to(os.path.join(night.crashes("text"), name), text)
            return Outcome("ok")

        self.assertEqual(self.night([part("a", run=run)]).run(), 1)
        text = self.read("summary.md")
        self.assertTrue(text.startswith("# 1 crashing input\n"), text)
        self.assertIn("* text, confirmed: text: two &lt;readings>", text)
        self.assertIn("`build-engines-asan/fuzz-text out/crashes/text/crash-1`", text)

    def test_a_line_that_is_cut_off_fails_and_the_others_are_told(self):
        finder = self.finds(("shim:hash+syscall", "a/B1/c", False))
        with open(os.path.join(self.tool, "findings"), "a", encoding="utf-8") as file:
            file.write('{"known": false, "subj')
        self.assertEqual(self.night([finder]).run(), 1)
        text = self.read("summary.md")
        self.assertTrue(text.startswith("# 1 new finding; failed: findings\n"), text)
        self.assertRegex(text, r"\| findings \| 0 \| failed \| not every finding can be read: ")

    def test_a_full_disk_at_the_end_does_not_hide_what_was_found(self):
        full = OSError(28, "No space left on device")
        finder = self.finds(("shim:hash+syscall", "a/B1/c", False))
        with mock.patch("conclude.shutil.copy", side_effect=full):
            self.assertEqual(self.night([finder]).run(), 1)
        text = self.read("summary.md")
        self.assertTrue(text.startswith("# 1 new finding; failed: findings\n"), text)
        self.assertIn("not every finding was looked at: [Errno 28] No space left on device", text)
        self.assertIn("`a/B1/c`, 9 steps, confirmed", text)

    def test_what_cannot_be_written_is_said(self):
        said = []
        night = self.night([self.finds(("shim:hash+syscall", "a/B1/c", False))])
        night.say = said.append
        os.makedirs(os.path.join(self.out, "summary.md"))
        self.assertEqual(night.run(), 1)
        self.assertIn("`a/B1/c`, 9 steps, confirmed", "\n".join(said))
        self.assertRegex("\n".join(said), "findings: failed: summary.md cannot be written: ")

    def test_a_night_that_cannot_write_its_state_is_invalid_and_told(self):
        night = self.night([part("a")])
        real = night.state.record

        def record(name, *more, **others):
            if name == "a":
                raise OSError(28, "No space left on device")
            real(name, *more, **others)

        night.state.record = record
        self.assertEqual(night.run(), 3)
        self.assertTrue(self.read("summary.md").startswith("# INVALID NIGHT: it broke off: [Errno 28]"))

    def test_junit_counts_what_it_has(self):
        finder = self.finds(
            ("shim:hash+syscall", "a/B1/c", False, {"explanation": "\x01<&\ud7ff\ufffe"}),
            ("shim:hash+syscall", "a/B1/d", True),
        )
        self.night([finder, part("b", run=shell("exit 1")), part("c", least=10**6)]).run()
        suite = tree.parse(os.path.join(self.out, "junit.xml")).getroot()
        self.assertEqual(suite.get("tests"), str(len(suite.findall("testcase"))))
        self.assertEqual((suite.get("failures"), suite.get("skipped")), ("2", "1"))
        self.assertEqual(len(suite.findall("testcase")), 6)
        self.assertIn("known: listed in", suite.find("testcase[@name='a/B1/d']/system-out").text)


class Engines(Case):
    """A shell script in the place of a target and its libFuzzer. BEGIN is what it does when it is started by itself, FORK
    with many processes, AGAIN with one input; in $prefix are the inputs."""

    STATS = "#12: cov: 1 ft: 1 corp: 1 exec/s 9 oom/timeout/crash: 0/0/%d time: 1s\\n"

    def play(self, begin=":", fork="", again=":", bad=0):
        folder = os.path.join(self.folder, "build-engines")
        os.mkdir(folder)
        self.say_to(os.path.join(folder, "fuzz-targets"), "program\n")
        path = os.path.join(folder, "fuzz-program")
        script = (
            "#!/bin/sh\nfor word; do case $word in -artifact_prefix=*) prefix=${word#*=} ;; esac; done\n"
            f"case $* in *-runs=1*) {begin} ;; *-fork=*) {fork}\nprintf '{self.STATS % bad}' ;; *) {again} ;; esac\n"
        )
        self.say_to(path, script)
        os.chmod(path, 0o755)
        status = self.night([part("a", run=parts.guided(parts.guided_libfuzzer))]).run()
        return status, self.read("summary.md")

    SAVE = 'mkdir -p "$EPDIFF_OUT/s"; : >"$EPDIFF_OUT/s/x.epd"; : >"${prefix}crash-1"'

    def test_a_finding_is_no_crash_of_the_target(self):
        status, text = self.play(fork=self.SAVE, bad=1)
        self.assertEqual(status, 0, text)
        self.assertTrue(os.path.exists(os.path.join(self.out, "crashes", "program", "shim_hash+syscall", "crash-1")))

    def test_a_second_finding_of_an_input_is_none_either(self):
        status, text = self.play(fork=self.SAVE, bad=1, again='f=$EPDIFF_OUT/s/y.epd; [ -e "$f" ] || { : >"$f"; kill -ABRT $$; }')
        self.assertEqual(status, 0, text)

    def test_a_crash_of_the_target_beside_a_finding_fails(self):
        status, text = self.play(
            fork=self.SAVE + '; : >"${prefix}crash-2"', bad=2, again='case $* in *crash-2) echo "broken <oracle>"; kill -SEGV $$ ;; esac'
        )
        self.assertEqual(status, 1)
        self.assertRegex(text, r"\| a \| \d+ \| failed \| .*the target itself crashed: \S*crash-2: ended by SIGSEGV: broken &lt;oracle>")

    def test_a_crash_that_nothing_explains_fails(self):
        status, text = self.play(fork=': >"${prefix}crash-1"', bad=1)
        self.assertEqual(status, 1)
        self.assertIn("the target itself crashed, and does not again: out/crashes/program/", text)

    def test_a_target_that_does_not_start_says_why(self):
        status, text = self.play(begin="echo 'program: no such library'; exit 3")
        self.assertEqual(status, 1)
        self.assertIn("shim:hash+syscall: it does not start: status 3: program: no such library", text)

    def test_processes_that_give_up_are_not_passed_over(self):
        status, text = self.play(bad=2)
        self.assertEqual(status, 1)
        self.assertIn("2 processes ended badly and left 0 inputs: the target could not do its work", text)


    def test_why_afl_fails_is_told(self):
        os.mkdir(os.path.join(self.folder, "build-engines"))
        os.mkdir(os.path.join(self.folder, "ci"))
        for path, text in (("build-engines/afl-program", ""), ("ci/afl", "#!/bin/sh\necho 'ci/afl: instance i0 ended badly'; exit 3\n")):
            self.say_to(os.path.join(self.folder, path), text)
            os.chmod(os.path.join(self.folder, path), 0o755)
        self.assertEqual(self.night([part("a", run=parts.guided(parts.guided_afl))]).run(), 1)
        self.assertIn("shim:hash+syscall: status 3: ci/afl: instance i0 ended badly", self.read("summary.md"))


class Options(unittest.TestCase):
    def refused(self, words, *arguments):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as ended:
            night_options.read(list(arguments), SOURCE, parts.TABLE)
        self.assertEqual(ended.exception.code, 2)
        self.assertRegex(said.getvalue(), words)
        self.assertEqual(said.getvalue().count("\n"), 1)

    def test_bad_usage_is_one_line(self):
        self.refused("'soon' is no time, expected hours", "--hours", "soon")
        self.refused("is no time", "--hours", "nan")
        self.refused("is no time", "--hours", "0")
        self.refused("'shim' is no subject, expected", "--subject", "shim")
        self.refused("'/nonexistent' cannot be read", "--known", "/nonexistent")
        self.refused("'x' is unknown, expected some of fuzz,", "--parts", "fuzz,x")
        self.refused("'-1' is no seed|expected one argument", "--seed", "-1")
        self.refused("holds no night", "--resume", "/nonexistent")
        self.refused("expected no --seed", "--resume", "/nonexistent", "--seed", "1")
        self.refused("unrecognized arguments", "--nonsense")
        self.refused("unrecognized arguments", "--hour", "1")

    def test_what_is_meant_without_options(self):
        given = night_options.read([], SOURCE, parts.TABLE)
        self.assertEqual((given.hours, given.subject), (8.0, ["shim:transparent"]))
        self.assertEqual(given.known, os.path.join(SOURCE, "corpus", "known.txt"))
        self.assertTrue(given.out.startswith(os.path.join(SOURCE, "nights") + os.sep))
        self.assertRegex(str(given.seed), "^20[0-9]{6}$")


class Table(unittest.TestCase):
    """Of the real parts, what can be said without running them."""

    def test_names_presets_and_scripts_are_there(self):
        names = [each.name for each in parts.TABLE]
        self.assertEqual(len(names), len(set(names)))
        with open(os.path.join(SOURCE, "CMakePresets.json"), encoding="utf-8") as file:
            presets = {preset["name"] for preset in json.load(file)["buildPresets"]}
        for each in parts.TABLE:
            self.assertLessEqual(set(each.builds), presets)
            self.assertLessEqual(set(each.builds), set(parts.BUILDS))
            self.assertTrue(each.most is None or each.most > each.least, each.name)
        with open(os.path.join(SOURCE, "ci", "night", "parts.py"), encoding="utf-8") as file:
            for script in set(re.findall(r'"((?:ci|tests)/[a-z/-]+)"', file.read())):
                self.assertTrue(os.access(os.path.join(SOURCE, script), os.X_OK), script)

    def test_a_machine_that_forbids_a_new_root_is_told(self):
        said = mock.Mock(returncode=1, stderr="unshare: failed:\n Operation not permitted\n")
        with mock.patch("subprocess.run", return_value=said):
            self.assertEqual(parts.no_new_root(None), "no new root: unshare: failed: Operation not permitted")
        with mock.patch("subprocess.run", return_value=mock.Mock(returncode=0, stderr="")):
            self.assertEqual(parts.no_new_root(None), "")
        self.assertIn("oss-fuzz", [each.name for each in parts.TABLE])

    def test_a_summary_line_is_understood(self):
        did, pairs = parts.last_pairs("programs=1\nx\nprograms=12 divergent=0 seconds=3.1\n", "programs", "divergent")
        self.assertEqual((did, pairs["programs"]), ("programs=12, divergent=0", "12"))
        self.assertEqual(parts.last_pairs("nothing", "programs"), ("", {}))
        self.assertEqual(parts.executions("#12\tNEW\n#345: cov: 1\n"), 345)
        self.assertEqual(parts.executions("stat::number_of_executed_units: 77\n"), 77)

    def test_what_a_target_complains_of_is_found(self):
        self.assertEqual(conclude.complaint("INFO: Seed: 1\nRunning: x\ntext: wrong\n== 1 ==\n"), "text: wrong")
        asan = "INFO: x\n==1==ERROR: AddressSanitizer\nSUMMARY: AddressSanitizer: heap-use-after-free a.c:1\n"
        self.assertEqual(conclude.complaint(asan), "SUMMARY: AddressSanitizer: heap-use-after-free a.c:1")


if __name__ == "__main__":
    unittest.main()
