"""The parts of a night: one table, in the order of importance. A new part is a new entry, and where it does something new,
a function that does it. What a part finds goes to night.findings(part), as .epd files, or as an input of a small target to
night.crashes(target); who looks at them is conclude.py."""
import collections
import os
import re
import shutil
import subprocess

from conclude import complaint, file_name

GRACE = 60  # seconds over its time that a command has to end by itself
START_LIMIT = 120  # seconds for one execution of a target

# result: ok, or failed with one line in why; did: what it did, one line
Outcome = collections.namedtuple("Outcome", "result did why", defaults=("", ""))


class Part:
    """least: the least time of use, in seconds on two CPUs; most: what more than that is of no use to,
    or None; builds: the presets it needs; why_not(night): why this machine cannot do it, or ""."""

    def __init__(self, name, title, run, weight, least, most=None, builds=("release",), why_not=None):
        self.name, self.title, self.run = name, title, run
        self.weight, self.least, self.most = weight, least, most
        self.builds, self.why_not = builds, why_not or (lambda night: "")


def last_pairs(text, *keys):
    """Of the last line of pairs: "programs=12, divergent=0"."""
    lines = [line for line in text.splitlines() if re.match(r"(programs|checks)=", line)]
    pairs = dict(re.findall(r"(\S+?)=(\S+)", lines[-1])) if lines else {}
    return ", ".join(f"{key}={pairs[key]}" for key in keys if key in pairs), pairs


def judge(ended, did, good=(0,), why=""):
    if not ended.late and ended.status in good:
        return Outcome("ok", did)
    return Outcome("failed", did, why or ended.words())


# epdiff fuzz and its like


def fuzz(*arguments, subjects=None, vm=False):
    """epdiff fuzz with these arguments; status 1 is a finding, not a failure."""

    def run(night, part, seconds):
        who = subjects(night) if subjects else night.clean
        tool = ["ci/vm", "--limit", str(int(seconds) + GRACE)] if vm else [night.tool()]
        # The machine needs some of the time to come up and to end.
        time = max(1, int(seconds) - (60 if vm else 0))
        ended, text = night.command(
            part,
            [*tool, "fuzz", *night.name_subjects(who), *arguments, "--time", str(time), "--seed", str(night.seed_of(part))]
            + ["--out", night.findings(part)],
            seconds + GRACE,
        )
        did, pairs = last_pairs(text, "programs", "divergent", "violation", "signatures", "unstable", "unknown")
        if not pairs:
            return judge(ended, did, (), f"it says nothing of what it did: {ended.words()}")
        if pairs["programs"] == "0":
            return Outcome("failed", did, "no program was run")
        return judge(ended, did, (0, 1))

    return run


def enumerate_programs(operations, limit=0):
    """Every program of so many operations; limit: seconds on two CPUs that it may take in any case."""

    def run(night, part, seconds):
        ended, text = night.command(
            part,
            [night.tool(), "enumerate", "--ops", str(operations), *night.name_subjects([*night.clean, "model"])]
            + ["--out", night.findings(part)],
            max(seconds, limit * night.slowness) + GRACE,
        )
        did, _ = last_pairs(text, "programs", "divergent", "signatures", "ops")
        if "incomplete" in text and not ended.late:
            return Outcome("failed", did, "it is incomplete")
        return judge(ended, did, (0, 1))

    return run


def replay(flavour, *arguments, subjects=None):
    def run(night, part, seconds):
        ended, text = night.command(
            part,
            [night.tool(flavour), "replay", "corpus/regress", *arguments]
            + (night.name_subjects(subjects(night)) if subjects else []),
            max(seconds, 600),
        )
        did, _ = last_pairs(text, "programs", "checks", "passed", "failed", "skipped")
        return judge(ended, did, why="an expectation failed" if ended.status == 1 else "")

    return run


# The engines


def executions(text):
    """What libFuzzer says that it ran: "#1234: cov: ..." with -fork, stat::... without."""
    counts = [int(count) for count in re.findall(r"^#(\d+)[:\t]", text, re.M)]
    counts += [int(count) for count in re.findall(r"^stat::number_of_executed_units:\s*(\d+)", text, re.M)]
    return max(counts, default=0)


def binary(night, flavour, name):
    path = os.path.join(night.source, f"build-{flavour}", name)
    return (path, "") if os.access(path, os.X_OK) else (path, f"build-{flavour}/{name} is not built")


def seed_folders(night, flavour, target):
    """The committed inputs of a target, as the build lists them."""
    with open(os.path.join(night.source, f"build-{flavour}", "fuzz-targets"), encoding="utf-8") as file:
        for line in file:
            name, *folders = line.split()
            if name == target:
                return [folder for folder in folders if os.path.isdir(os.path.join(night.source, folder))]
    return []


def libfuzzer(night, part, path, target, seconds, env=None, seeds=(), crashes=None):
    """Many processes of a target, whose crashes do not end the run. Returns the outcome, the executions, and the inputs of
    crashes that were not there before."""
    corpus, crashes = night.corpus_of(target), crashes or night.crashes(target)
    before = set(os.listdir(crashes))
    # What a process says that could not do its work is lost with -fork. So one is started by itself.
    ended, text = night.command(part, [path, "-runs=1", f"-artifact_prefix={crashes}/"], START_LIMIT, env=env)
    if ended.late or ended.status != 0:
        return Outcome("failed", "", f"it does not start: {ended.words()}: {complaint(text)}"), 0, []
    ended, text = night.command(
        part,
        [path, f"-fork={night.cpus}", "-ignore_crashes=1", "-ignore_timeouts=1", "-ignore_ooms=1"]
        + [f"-max_total_time={int(seconds)}", f"-seed={night.seed_of(part) % 2**32}", f"-artifact_prefix={crashes}/"]
        + [corpus, *seeds],
        seconds + GRACE,
        env=env,
    )
    count = executions(text)
    new = sorted(name for name in set(os.listdir(crashes)) - before if name.startswith("crash-"))
    bad = ended_badly(text)
    if bad > len(new):
        why = f"{bad} processes ended badly and left {len(new)} inputs: the target could not do its work"
        return Outcome("failed", f"executions={count}", why), count, new
    # Its status is that of the last process it started, also where that one's crash was ignored.
    good = (0, 1, 77, 70, 71) if "INFO: exiting: " in text or "Done " in text or count else ()
    return judge(ended, f"executions={count}", good), count, new


def ended_badly(text):
    """How many processes libFuzzer says have crashed, by whatever status."""
    counts = re.findall(r"oom/timeout/crash: \d+/\d+/(\d+)", text)
    return int(counts[-1]) if counts else 0


def guided(play):
    """The target `program` under an engine, for each clean subject in turn."""

    def run(night, part, seconds):
        did = []
        for subject in night.clean:
            outcome, count = play(night, part, subject, seconds / len(night.clean))
            did.append(f"{subject}: executions={count}")
            if outcome.result != "ok" or count == 0:
                return Outcome("failed", ", ".join(did), f"{subject}: {outcome.why or 'nothing was executed'}")
        return Outcome("ok", ", ".join(did))

    return run


def guided_libfuzzer(night, part, subject, seconds):
    path, missing = binary(night, "engines", "fuzz-program")
    if missing:
        return Outcome("failed", "", missing), 0
    found = night.findings(part)
    environment = {"EPDIFF_SUBJECT": subject, "EPDIFF_KNOWN": night.state.known, "EPDIFF_OUT": found}
    # A folder for each subject: an input that ends two of them has the same name.
    crashes = night.crashes(os.path.join("program", file_name(subject)))
    seeds = seed_folders(night, "engines", "program")
    outcome, count, new = libfuzzer(night, part, path, "program", seconds, environment, seeds, crashes)
    why = own_crash(night, part, [path], [os.path.join(crashes, name) for name in new], environment)
    return (Outcome("failed", outcome.did, why) if why else outcome), count


def own_crash(night, part, argv, inputs, environment):
    """Which of the inputs ends the target itself, or "". A finding is saved before it ends the target, and passed over from
    then on."""
    found = environment["EPDIFF_OUT"]
    for path in inputs:
        while True:
            saved = count_files(found)
            ended, text = night.command(part, [*argv, path], START_LIMIT, env=environment)
            if not ended.late and ended.status == 0:
                break
            # It may have met another finding, which is saved now.
            if count_files(found) == saved:
                return f"the target itself crashed: {night.show(path)}: {ended.words()}: {complaint(text)}"
    # Two processes can meet a signature at one time, but none ends without one.
    if inputs and not count_files(found):
        return f"the target itself crashed, and does not again: {night.show(inputs[0])}"
    return ""


def count_files(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


def guided_afl(night, part, subject, seconds):
    _, missing = binary(night, "engines", "afl-program")
    if missing:
        return Outcome("failed", "", missing), 0
    folder = night.room(os.path.join(night.state.corpus, "afl-" + file_name(subject)))
    # Queues are kept from night to night, findings are each night's own.
    found = os.path.join(folder, "findings")
    shutil.rmtree(found, ignore_errors=True)
    argv = ["ci/afl", "--subject", subject, "--seconds", str(max(1, int(seconds))), "--known", night.state.known]
    try:
        ended, text = night.command(part, [*argv, "--out", folder], seconds + GRACE)
    finally:
        if os.path.isdir(found):
            shutil.copytree(found, night.findings(part), dirs_exist_ok=True)
    count = sum(int(number) for number in re.findall(r"^i\d+: executions=(\d+)", text, re.M))
    said = re.findall(r"^ci/afl: .*", text, re.M)
    return judge(ended, "", (0, 1), f"{ended.words()}: {said[-1]}" if said else ""), count


def small_targets(night, part, seconds):
    did = []
    targets = ("text", "bytes", "trace", "ioctl")
    for target in targets:
        path, missing = binary(night, "engines-asan", "fuzz-" + target)
        if missing:
            return Outcome("failed", ", ".join(did), missing)
        seeds = seed_folders(night, "engines-asan", target)
        outcome, count, _ = libfuzzer(night, part, path, target, seconds / len(targets), None, seeds)
        did.append(f"{target}: executions={count}")
        if outcome.result != "ok" or count == 0:
            return Outcome("failed", ", ".join(did), f"{target}: {outcome.why or 'nothing was executed'}")
    return Outcome("ok", ", ".join(did))


# What is there already, as a part


def tests(preset, labels):
    def run(night, part, seconds):
        ended, text = night.command(
            part,
            ["ctest", "--preset", preset, "--parallel", str(night.cpus), "--label-regex", labels],
            max(seconds, 1800),
        )
        said = re.findall(r"^\d+% tests passed, \d+ tests failed out of \d+", text, re.M)
        return judge(ended, said[-1] if said else "", why="a test failed" if ended.status == 8 else "")

    return run


def script(*argv, limit):
    def run(night, part, seconds):
        ended, _ = night.command(part, list(argv), max(seconds, limit))
        return judge(ended, " ".join(argv))

    return run


def real_programs(night, part, seconds):
    subjects = [name for name in night.clean if name != "model"]
    ended, _ = night.command(
        part, ["tests/apps/run", *night.name_subjects(["native", *subjects])], max(seconds, 1800)
    )
    return judge(ended, "natively and under " + ", ".join(subjects), why="something differs" if ended.status == 1 else "")


def nobody(night):
    return "" if night.clean else "no clean subject runs on this machine"


def no_new_root(night):
    """What ci/oss-fuzz-check needs for its chroot, which a container may forbid."""
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *(["--map-root-user"] if os.geteuid() else [])]
    tried = subprocess.run(
        [*argv, "mount", "-t", "proc", "proc", "/proc"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        text=True,
    )
    return f"no new root: {' '.join(tried.stderr.split())}" if tried.returncode else ""


def no_machine(night):
    if shutil.which("qemu-system-x86_64") or os.geteuid() == 0 or shutil.which("sudo"):
        return ""
    return "qemu-system-x86_64 is not there, and nobody here may install it"


def no_module_subject(night):
    return no_machine(night) or ("" if night.clean_module else "no clean subject has the backend module")


TABLE = (
    Part("fuzz", "epdiff fuzz, the clean subjects", fuzz(), 25, 60, why_not=nobody),
    Part("replay", "the corpus under every subject of this machine", replay("release"), 1, 45, 120),
    Part(
        "native",
        "A/A: two native runs, order of events included",
        fuzz("--strict-order", subjects=lambda night: ["native"]),
        3,
        10,
    ),
    Part("model", "the kernel against the model", fuzz(subjects=lambda night: ["model"]), 8, 20),
    Part("parallel", "programs whose actors run free", fuzz("--parallel"), 8, 30, why_not=nobody),
    Part("libfuzzer", "the program target under libFuzzer", guided(guided_libfuzzer), 12, 60, None, ("release", "engines"), nobody),
    Part("targets", "the small targets under libFuzzer and ASan+UBSan", small_targets, 6, 60, builds=("engines-asan",)),
    Part("enumerate", "every program of up to two operations", enumerate_programs(2), 1, 60, 600),
    Part("metamorphic", "subjects against themselves, with flush points", fuzz("--metamorphic"), 5, 20, why_not=nobody),
    Part("afl", "the program target under AFL++", guided(guided_afl), 6, 60, None, ("release", "engines"), nobody),
    Part(
        "vm",
        "epdiff fuzz in the virtual machine, backend module",
        fuzz(subjects=lambda night: night.clean_module, vm=True),
        5,
        180,
        why_not=no_module_subject,
    ),
    Part("clang", "the corpus, built with clang", replay("clang"), 1, 45, 120, builds=("clang",)),
    Part("asan", "unit tests, corpus and shim under ASan+UBSan", tests("asan", "unit|replay|sanitize"), 2, 500, 900, ("asan",)),
    Part("tsan", "the same under TSan", tests("tsan", "unit|replay|sanitize"), 2, 500, 900, ("tsan",)),
    Part("apps", "real programs", real_programs, 3, 480, 1200, why_not=nobody),
    Part("savings", "what is saved of real programs' calls", script("tests/apps/run", "--savings", limit=1800), 1, 300, 600),
    Part("valgrind", "the shim under memcheck, Helgrind, DRD", tests("release", "sanitize"), 2, 420, 900),
    Part(
        "oss-fuzz",
        "the targets as OSS-Fuzz builds them, in a chroot",
        script("ci/oss-fuzz-check", limit=1800),
        1,
        250,
        600,
        why_not=no_new_root,
    ),
    Part("module", "the kernel module, in the virtual machine", script("ci/kmod", limit=1800), 1, 300, 1800, why_not=no_machine),
    Part("enumerate3", "every program of up to three operations", enumerate_programs(3, 2400), 3, 1500, 3600),
    Part(
        "debug-kernel",
        "the module on the debug kernel: storm, faults, seeded defects",
        script("ci/kmod", "nightly", limit=5400),
        5,
        4500,
        7200,
        why_not=no_machine,
    ),
)

# Seconds that a build takes from nothing on two CPUs; what is there already costs less.
BUILDS = {"release": 150, "clang": 150, "asan": 200, "tsan": 180, "engines": 90, "engines-asan": 90}
