"""A night: its folder, its machine, and the order of things."""
import os
import re
import subprocess
import time

import conclude
import plan
import summary
from processes import Runner, Stopped
from state import State

CANARY = "shim:naive+syscall"
CANARY_SECONDS = 60
BUILD_LIMIT = 3600
OVERHEAD = 3  # seconds that a part takes beyond its time, to begin and to end
RESERVE = 0.1, 5, 900  # of the whole time for the end: this share, and the bounds in seconds


class Invalid(Exception):
    """What was found in this night says nothing."""


class Malformed(Exception):
    """The known list cannot be used."""


def one_line(error):
    return str(error).replace("\n", " ")


class Night:
    def __init__(self, options, source, table, builds, say=print):
        self.source, self.table, self.build_seconds, self.say = source, table, builds, say
        self.out = options.resume or options.out
        self.state = State(self.out)
        self.runner = None
        # A folder with the tool, as for ci/vm: then `release` is not built.
        self.ready = os.path.abspath(os.environ["EPDIFF_BUILD"]) if "EPDIFF_BUILD" in os.environ else None
        self.stopped_by = None
        self.invalid = ""
        self.clean, self.clean_module = [], []
        self.cpus = len(os.sched_getaffinity(0))
        self.slowness = 2 / self.cpus  # the table is about two
        self.began = options.since or time.time()
        self._adopt(options)

    def _adopt(self, options):
        os.makedirs(self.out, exist_ok=True)
        if options.resume:
            self.state.load()
        before = self.state.used
        self.state.clock = lambda: before + time.time() - self.began
        if options.resume:
            self.seconds = options.hours * 3600 if options.hours else self.state.hours * 3600 - self.state.used
            return
        self.seconds = options.hours * 3600
        self.state.hours, self.state.seed = options.hours, options.seed
        self.state.subjects, self.state.known = options.subject, options.known
        self.state.chosen = options.chosen
        self.state.corpus = options.corpus or os.path.join(self.out, "corpus")
        self.state.commit = self.describe_commit()
        self.state.began = time.strftime("%Y-%m-%d %H:%M")

    # Where things are

    def room(self, path):
        os.makedirs(path, exist_ok=True)
        return path

    def show(self, path):
        """A path as one would type it in the repository's folder."""
        return os.path.relpath(path, self.source) if path.startswith(self.source + "/") else path

    def findings(self, part):
        return self.room(os.path.join(self.out, "findings-raw", part.name))

    def crashes(self, target):
        return self.room(os.path.join(self.out, "crashes", target))

    def corpus_of(self, target):
        return self.room(os.path.join(self.state.corpus, target))

    def log(self, name):
        return os.path.join(self.room(os.path.join(self.out, "logs")), name + ".log")

    def tool(self, flavour="release"):
        if flavour == "release":
            return os.path.join(self.ready or os.path.join(self.source, "build"), "epdiff")
        return os.path.join(self.source, f"build-{flavour}", "epdiff")

    def describe_commit(self):
        found = subprocess.run(
            ["git", "-C", self.source, "describe", "--always", "--dirty", "--abbrev=12"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            text=True,
        )
        return found.stdout.strip() or "unknown"

    @staticmethod
    def name_subjects(subjects):
        return [word for name in subjects for word in ("--subject", name)]

    def seed_of(self, part):
        """Another one for each part, and for each time that it begins."""
        attempts = self.state.parts.get(part.name, {}).get("attempts", 1)
        return self.state.seed * 10000 + self.table.index(part) * 100 + attempts - 1

    # What runs

    def command(self, part, argv, seconds, env=None):
        """Runs a command from the repository's folder, with its output in the part's log. Returns
        how it ended and what it said."""
        return self.logged(part.name, argv, seconds, env)

    def logged(self, name, argv, seconds, env=None):
        with open(self.log(name), "ab") as log:
            words = " ".join([*(f"{key}={value}" for key, value in (env or {}).items()), *argv])
            log.write(f"$ {words}\n".encode())
            log.flush()
            start = log.tell()
            ended = self.runner.run(argv, log, seconds, env, self.source)
        with open(self.log(name), "rb") as log:
            log.seek(start)
            return ended, log.read().decode("utf-8", "replace")

    def build(self, flavour):
        """Builds a preset once a night. Returns "" or why not."""
        if flavour in self.state.builds:
            return self.state.builds[flavour]["why"]
        if self.ready and flavour == "release":
            self.state.builds[flavour] = {"why": "", "late": False, "seconds": 0.0}
            return ""
        began = time.monotonic()
        self.say(f"== build {flavour} ({self.clock()})")
        why, late = "", False
        for argv in (["cmake", "--preset", flavour], ["cmake", "--build", "--preset", flavour, "--", "--quiet"]):
            # Without `release` there is no night; the others may have what is left of it.
            limit = BUILD_LIMIT if flavour == "release" else max(1, self.left())
            ended, _ = self.logged("build-" + flavour, argv, limit)
            late = ended.late
            if late or ended.status != 0:
                why = f"the build of {flavour} {'took too long' if late else 'failed'}: {ended.words()}"
                break
        self.state.builds[flavour] = {"why": why, "late": late, "seconds": round(time.monotonic() - began, 1)}
        self.state.save()
        return why

    def build_cost(self, parts):
        """Seconds for what is not built yet and those parts need."""
        flavours = {flavour for part in parts for flavour in part.builds} - set(self.state.builds)
        return sum(
            self.build_seconds[flavour] * self.slowness
            # What was built before costs the check that it is up to date.
            * (0.2 if os.path.exists(os.path.join(os.path.dirname(self.tool(flavour)), ".ninja_deps")) else 1)
            for flavour in flavours
        )

    def cost(self, parts):
        return self.build_cost(parts) + OVERHEAD * len(parts)

    # Time

    def clock(self):
        return f"{int(time.time() - self.began)} s"

    def left(self):
        """Seconds for parts: without what the end needs."""
        share, least, most = RESERVE
        return self.began + self.seconds - time.time() - min(max(self.seconds * share, least), most)

    # The order of things

    def run(self):
        """The exit status."""
        self.runner = Runner()
        malformed = ""
        try:
            self.prepare()
            self.canary()
            self.play()
        except Stopped as stopped:
            self.stopped_by = str(stopped)
        except Invalid as invalid:
            self.invalid = str(invalid)
        except Malformed as error:
            malformed = str(error)
        except OSError as error:
            # A full disk, say. What a part meets is its own failure; this is night.json or a log.
            self.invalid = f"it broke off: {one_line(error)}"
        if malformed:
            self.runner.close()
            self.say(malformed)
            return 2
        result = self.finish()
        number = self.runner.signal
        self.runner.close()
        if self.invalid:
            return 3
        if result.new or result.crashes or any(r["result"] == "failed" for r in self.state.parts.values()):
            return 1
        return 128 + number if number else 0

    def prepare(self):
        self.state.builds = {}  # a resumed night has other sources, or none of the folders
        self.state.commit = self.describe_commit()
        self.state.save()
        self.say(f"seed {self.state.seed}, commit {self.state.commit}, {self.seconds / 3600:.2f} h, {self.show(self.out)}")
        why = self.build("release")
        if why:
            raise Invalid(why)
        ended, said = self.logged("known", [self.tool(), "known", self.state.known], 60)
        if ended.status != 0:
            raise Malformed(said.strip())
        self.find_subjects()

    def find_subjects(self):
        ended, text = self.logged("subjects", [self.tool(), "subjects"], 120)
        there = re.findall(r"^(\S+) +yes", text, re.M)
        if ended.status != 0 or "native" not in there:
            raise Invalid(f"epdiff subjects does not work: {ended.words()}")
        self.clean, self.clean_module = [], []
        for name in self.state.subjects:
            if not name.startswith("shim:") or "+" in name:
                module = name.endswith("+module") and name not in there
                (self.clean_module if module else self.clean).append(name)
                continue
            self.clean += [each for each in there if each.startswith(name + "+")]
            self.clean_module += [] if name + "+module" in there else [name + "+module"]
        self.say(f"clean subjects: {', '.join(self.clean)}; in the machine: {', '.join(self.clean_module) or 'none'}")

    def canary(self):
        """The first idea is wrong in so many ways that a minute without a finding means that findings
        are not found."""
        if self.state.is_done("canary"):
            return
        self.say(f"== canary ({self.clock()})")
        self.state.record("canary", "running")
        folder = os.path.join(self.out, "canary")
        began = time.monotonic()
        try:
            ended, _ = self.logged(
                "canary",
                [self.tool(), "fuzz", "--subject", CANARY, "--stop-at", "1", "--time", str(CANARY_SECONDS)]
                + ["--seed", str(self.state.seed), "--out", folder],
                CANARY_SECONDS + 30,
            )
        except Stopped:
            self.state.record("canary", "stopped")
            raise
        seconds = time.monotonic() - began
        caught = sum(name.endswith(".epd") for _, _, names in os.walk(folder) for name in names)
        if ended.late or ended.status != 1 or not caught:
            why = f"the canary {CANARY} was not caught within {CANARY_SECONDS} s: {ended.words()}"
            self.state.record("canary", "failed", why, seconds=seconds)
            raise Invalid(why)
        self.state.record("canary", "ok", did=f"{CANARY}: caught, signatures={caught}", seconds=seconds)

    def wanted(self):
        return [part for part in self.table if self.state.chosen is None or part.name in self.state.chosen]

    def play(self):
        pending = []
        for part in self.wanted():
            why = "" if self.state.is_done(part.name) else part.why_not(self)
            if why:
                self.state.record(part.name, "left out", why)
            elif not self.state.is_done(part.name):
                pending.append(part)
        while pending:
            seconds = self.left()
            chosen = plan.fits(self.scaled(pending), seconds, self.cost)
            if not chosen:
                break
            share = plan.shares(chosen, seconds - self.cost(chosen))[chosen[0].name]
            part = next(each for each in pending if each.name == chosen[0].name)
            pending.remove(part)
            self.play_part(part, share)
        for part in pending:
            why = f"of the {max(0, int(self.left()))} s that are left it would need {int(part.least * self.slowness)}"
            cost = int(self.build_cost([part]))
            self.state.record(part.name, "left out", why + (f", and {cost} for its build" if cost else ""))

    def scaled(self, parts):
        """The parts with the times of this machine."""
        return [Scaled(part, self.slowness, self.state.chosen is not None) for part in parts]

    def play_part(self, part, seconds):
        for flavour in part.builds:
            why = self.build(flavour)
            if why:
                result = "left out" if self.state.builds[flavour]["late"] else "failed"
                self.state.record(part.name, result, why)
                self.say(f"   {part.name}: {result}: {why}")
                return
        # What the builds took longer or shorter than was thought is this part's.
        seconds = max(1, min(seconds, self.left())) if part.most is None else max(1, seconds)
        self.say(f"== {part.name}: {part.title}, {int(seconds)} s ({self.clock()})")
        self.state.record(part.name, "running")
        began = time.monotonic()
        try:
            outcome = part.run(self, part, seconds)
        except Stopped:
            self.state.record(part.name, "stopped", "ended by a signal", seconds=time.monotonic() - began)
            raise
        except OSError as error:
            # A program that is not there, a full disk: the other parts go on.
            outcome = OutcomeOfError(error)
        self.state.record(part.name, outcome.result, outcome.why, outcome.did, time.monotonic() - began)
        self.say(f"   {outcome.result}{': ' + outcome.why if outcome.why else ''} {outcome.did}")

    def finish(self):
        """Whatever ended it: what there is, is looked at, and written down."""
        result = conclude.Result()
        try:
            if os.access(self.tool(), os.X_OK):
                self.runner.check()
                self.say(f"== confirm, shrink, sort out ({self.clock()})")
                self.conclude(result, confirm=True)
        except Stopped as stopped:
            self.stopped_by = str(stopped)
            self.runner.signal, number = None, self.runner.signal
            # Not without the list: what is known is no news, whatever ends the night.
            result = conclude.Result()
            try:
                self.conclude(result, confirm=False)
            except Stopped:
                pass
            self.runner.signal = self.runner.signal or number
        self.attempt("night.json", self.state.save)
        page = "\n".join(summary.markdown(self, result))
        if not self.attempt("summary.md", lambda: summary.write_markdown(self, page)):
            self.say(page)
        self.attempt("junit.xml", lambda: summary.write_junit(self, result))
        self.say(f"== {summary.verdict(self, result)} ({self.clock()})\n{self.show(os.path.join(self.out, 'summary.md'))}")
        return result

    def conclude(self, result, confirm):
        """What cannot be looked at fails, and does not keep the rest from being told."""
        try:
            conclude.conclude(self, result, confirm)
        except (OSError, ValueError) as error:
            self.note_failure(f"not every finding was looked at: {one_line(error)}")

    def attempt(self, name, write):
        """Whether it could be written."""
        try:
            write()
        except OSError as error:
            self.note_failure(f"{name} cannot be written: {one_line(error)}")
            return False
        return True

    def note_failure(self, why):
        self.say(f"   findings: failed: {why}")
        try:
            self.state.record("findings", "failed", why)
        except OSError:
            pass  # night.json is not all: the summary has it


class Scaled:
    """What the plan needs of a part. One that somebody named has no least time: he wants it."""

    def __init__(self, part, slowness, named):
        self.name, self.weight, self.builds = part.name, part.weight, part.builds
        self.least = 1 if named else part.least * slowness
        self.most = None if part.most is None else part.most * slowness


class OutcomeOfError:
    result, did = "failed", ""

    def __init__(self, error):
        self.why = one_line(error)
