#!/usr/bin/python3
"""What must not happen: that a workflow calls a script that is not there, or with an option that it does not know, and
nobody learns it before the night."""
import glob
import os
import re
import shlex
import subprocess
import sys
import unittest

import yaml

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "ci", "night"))

import options as night_options  # noqa: E402
import parts  # noqa: E402

SCRIPT = re.compile(r"(?<![\w/.-])(?:\.ci|ci)/[a-z-]+")
TOP = {"name", "on", "permissions", "concurrency", "jobs"}
JOB = {"if", "runs-on", "timeout-minutes", "container", "steps"}
USES = r"^(actions/[a-z-]+(/[a-z-]+)?@v\d+|google/clusterfuzzlite/actions/(build|run)_fuzzers@v1)$"
STEP = {"name", "uses", "with", "run", "shell", "if", "env"}


class Unique(yaml.SafeLoader):
    """PyYAML takes the last of two equal keys; GitHub refuses them."""


def unique(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"a key is there twice: {keys}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Unique.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique)


class Workflows(unittest.TestCase):
    def setUp(self):
        self.files = sorted(glob.glob(os.path.join(SOURCE, ".github", "workflows", "*.yml")))
        self.assertGreaterEqual(len(self.files), 2)
        self.workflows = {}
        for path in self.files:
            with open(path, encoding="utf-8") as file:
                self.workflows[os.path.basename(path)] = yaml.load(file, Unique)

    def steps(self):
        for name, workflow in self.workflows.items():
            for job in workflow["jobs"].values():
                for step in job["steps"]:
                    yield name, job, step

    def test_only_keys_that_mean_something(self):
        for name, workflow in self.workflows.items():
            # YAML 1.1 reads `on` as true.
            self.assertEqual({"on" if key is True else key for key in workflow} - TOP, set(), name)
            self.assertTrue(workflow[True], name)
            for job in workflow["jobs"].values():
                self.assertEqual(set(job) - JOB, set(), name)
                self.assertLessEqual(job["timeout-minutes"], 360)
        for name, _, step in self.steps():
            self.assertEqual(set(step) - STEP, set(), name)
            self.assertEqual(("uses" in step) + ("run" in step), 1, step)
            if "uses" in step:
                self.assertRegex(step["uses"], USES)

    def test_what_is_run_is_a_script_that_is_there(self):
        called = set()
        for name, _, step in self.steps():
            text = step.get("run", "")
            checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""), name)
            # What others write does not become part of a script.
            self.assertNotIn("${{", text, name)
            # sh(1) of Debian knows neither 16# nor ${X::8}.
            if re.search(r"\$\(\(|::|ci/", text):
                self.assertEqual(step.get("shell"), "bash", text)
            for script in SCRIPT.findall(text):
                self.assertTrue(os.access(os.path.join(SOURCE, script), os.X_OK), f"{name}: {script}")
                called.add(script)
        self.assertEqual(called, {".ci/run", "ci/smoke", "ci/nightly"})

    def test_the_night_takes_its_options_and_ends_in_time(self):
        calls = [(job, step) for _, job, step in self.steps() if "ci/nightly" in step.get("run", "")]
        self.assertEqual(len(calls), 1)
        job, step = calls[0]
        hours = re.search(r"'([0-9.]+)'", step["env"]["HOURS"]).group(1)
        words = shlex.split(step["run"].replace("$HOURS", hours))
        given = night_options.read(words[1:], SOURCE, parts.TABLE)
        # An hour less than the job has: set-up, and what is under way when time is over.
        self.assertLessEqual(given.hours * 60 + 50, job["timeout-minutes"])
        steps = job["steps"]
        # Also a night that found something, and so has status 1, keeps its corpora.
        restore, save = ([each for each in steps if each.get("uses") == f"actions/cache/{name}@v4"] for name in ("restore", "save"))
        self.assertEqual((len(restore), len(save)), (1, 1))
        self.assertNotIn("actions/cache@", "".join(each.get("uses", "") for each in steps))
        self.assertEqual((save[0]["if"], "if" in restore[0]), ("always()", False))
        self.assertLess(steps.index(restore[0]), steps.index(step))
        self.assertLess(steps.index(step), steps.index(save[0]))
        self.assertEqual(save[0]["with"], {name: restore[0]["with"][name] for name in ("path", "key")})
        self.assertTrue(save[0]["with"]["key"].startswith(restore[0]["with"]["restore-keys"]))
        self.assertEqual(os.path.abspath(save[0]["with"]["path"]), given.corpus)

    def test_clusterfuzzlite_builds_what_is_checked_here_and_ends_in_time(self):
        with open(os.path.join(SOURCE, ".clusterfuzzlite", "project.yaml"), encoding="utf-8") as file:
            language = yaml.load(file, Unique)["language"]
        with open(os.path.join(SOURCE, "ci", "oss-fuzz-check"), encoding="utf-8") as file:
            sanitizer = re.search(r"\bSANITIZER=(\w+)", file.read()).group(1)
        workflow = self.workflows["clusterfuzzlite.yml"]
        events = {"change": "pull_request", "batch": "schedule"}
        self.assertEqual(set(workflow["jobs"]), set(events))
        self.assertEqual(set(workflow[True]), set(events.values()))
        for name, job in workflow["jobs"].items():
            self.assertEqual(job["if"], f"github.event_name == '{events[name]}'")
            build, run = job["steps"]
            self.assertTrue(build["uses"].endswith("/build_fuzzers@v1"), build)
            self.assertTrue(run["uses"].endswith("/run_fuzzers@v1"), run)
            # Their names, which nothing else checks: google.github.io/clusterfuzzlite/running-clusterfuzzlite/github-actions
            self.assertEqual(set(build["with"]), {"language", "sanitizer", "github-token"})
            self.assertEqual(set(run["with"]), {"mode", "fuzz-seconds", "sanitizer", "github-token"})
            self.assertEqual((build["with"]["language"], build["with"]["sanitizer"]), (language, sanitizer))
            self.assertEqual(run["with"]["sanitizer"], sanitizer)
            self.assertEqual(run["with"]["mode"], {"change": "code-change", "batch": "batch"}[name])
            # The build of their image has half an hour.
            self.assertLessEqual(run["with"]["fuzz-seconds"] / 60 + 30, job["timeout-minutes"])

    def test_the_seed_of_a_change_is_one_that_smoke_takes(self):
        step = next(step for _, _, step in self.steps() if "ci/smoke" in step.get("run", ""))
        for commit in ("0" * 40, "f" * 40, "08090a0b" + "1" * 32):
            script = f'set -eu; GITHUB_SHA={commit}; smoke() {{ printf "%s" "$1"; }}; ' + step["run"].replace("ci/smoke", "smoke")
            said = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True).stdout
            self.assertEqual(said, str(int(commit[:8], 16)))
            self.assertLessEqual(len(said), 12)
        for bad in (["x"], ["1", "2"], ["-1"], ["1234567890123"]):
            ended = subprocess.run([os.path.join(SOURCE, "ci", "smoke"), *bad], capture_output=True, check=False)
            self.assertEqual(ended.returncode, 2)


if __name__ == "__main__":
    unittest.main()
