"""tests/apps/run --savings: what of the epoll_ctl calls of each load is saved, and could be."""
import copy
import os
import tempfile
from dataclasses import dataclass

import savable
from harness import CTL_CALLS, Subject, Unusable, complain, count_works
from running import Run, tell_evidence

LEAST = 1000  # calls that have to be savable; of fewer, no two runs save the same share
PLAIN = "syscall"  # the backend to which a batch is as many calls as it has operations
ROW = "{:18} {:26} {:>8} {:>8} {:>8} {:>8} {:>10} {:>7} {:>7}  {}"
HEAD = ROW.format(
    "load", "", "calls", "made", "at once", "batches", "operations", "saved", "of it", "bar"
)


@dataclass
class Calls:
    """epoll_ctl calls of a program, and what they became."""

    seen: int = 0
    direct: int = 0
    batches: int = 0
    operations: int = 0  # in batches

    def made(self, batching):
        """System calls of a backend that makes a batch one call, or one call an operation."""
        return self.direct + (self.batches if batching else self.operations)


def share(part, whole):
    return 100 * part / whole if whole else 0


def read_statistics(path):
    """The sum over the processes that EPBATCH_STATS speaks of."""
    calls = Calls()
    if not os.path.exists(path):
        raise Unusable(f"the shim has left no statistics in {path}")
    with open(path) as file:
        for line in file:
            pairs = dict(word.split("=", 1) for word in line.split() if "=" in word)
            calls.seen += int(pairs["seen"])
            calls.direct += int(pairs["direct"])
            for name, value in pairs.items():
                if name.startswith("flush-"):
                    operations, batches = map(int, value.split("/"))
                    calls.operations += operations
                    calls.batches += batches
    return calls


def replay(folder):
    """What a replay of the records says is needed."""
    records = [savable.read_record(path) for path in savable.inside([folder])]
    calls = Calls()
    for one in savable.replay_all(records, savable.default_rules()):
        calls.seen += one.seen
        calls.direct += sum(one.direct.values())
        calls.batches += sum(one.flushes.values())
        calls.operations += one.flushed
    return calls


class Savings:
    """One load: recorded, replayed, and run under each subject."""

    def __init__(self, load, options, tally):
        self.load, self.options, self.tally = load, options, tally
        self.record = None
        self.counted = options.counter is not None

    def row(self, what, calls, made, of_it="", bar=""):
        saved = f"{share(calls.seen - made, calls.seen):.1f} %"
        cells = calls.seen, made, calls.direct, calls.batches, calls.operations, saved, of_it, bar
        print(ROW.format(self.load.name, what, *cells).rstrip(), flush=True)

    def run(self, subject, **changes):
        """Returns a run that went well, or None."""
        options = copy.copy(self.options)
        options.__dict__.update(changes)
        run = Run(self.load, subject, options)
        if not run.faults:
            return run
        print(f"FAIL {self.load.name} {subject.name}: {'; '.join(run.faults)}", flush=True)
        tell_evidence(run)
        return None

    def take_record(self, folder):
        library = os.path.join(self.options.build, "tests", "libeprecord.so")
        subject = Subject(f"preload:{library}", self.options.build)
        subject.environment["RECORD_DIR"] = folder
        # Not counted: `count` starts the program by another one, which would be recorded, too.
        if not self.run(subject, count=False, stats=None):
            self.tally.unusable = True
            return
        self.record = replay(folder)
        self.row("replay, a batch is a call", self.record, self.record.made(True))
        self.row("replay, no batches", self.record, self.record.made(False))

    def bar(self, batching, saved, of_it):
        """Whether the bar of a load is held, and words for it."""
        value, bar, what = saved, self.load.saved, "saved"
        if not bar:
            value, bar, what = of_it, self.load.of_savable, "of it"
        if not bar or not batching:
            return True, ""
        if value is None:
            return True, f"none: fewer than {LEAST} calls can be saved"
        held = value >= bar
        return held, f"{what} >= {bar:g} %: {'held' if held else 'MISSED'}"

    def play(self, subject, folder):
        run = self.run(subject, count=self.counted, stats=folder)
        if not run:
            self.tally.failed += 1
            return
        name = f"{self.load.name}.{subject.file_name()}.{self.load.measured}"
        calls = read_statistics(os.path.join(folder, name))
        batching = not subject.name.endswith(f"+{PLAIN}")
        # The kernel's word is what counts, where it can be had.
        made = sum(run.counts[c] for c in CTL_CALLS) if self.counted else calls.made(batching)
        saved = share(calls.seen - made, calls.seen)
        can_be = self.record.seen - self.record.made(batching)
        of_it = share(saved, share(can_be, self.record.seen)) if can_be >= LEAST else None
        held, words = self.bar(batching, saved, of_it)
        self.tally.passed += held
        self.tally.failed += not held
        self.row(subject.name, calls, made, "-" if of_it is None else f"{of_it:.1f} %", words)


def play_savings(loads, options, tally):
    """The caller has looked for packages and subjects."""
    works, why = count_works(options.build)
    options.counter = "count" if works else None
    if not works:
        complain(f"{why}; `made` is what the shim says of itself")
    print(HEAD)
    for load in loads:
        savings = Savings(load, options, tally)
        with tempfile.TemporaryDirectory(prefix="epdiff-record-") as folder:
            savings.take_record(folder)
        if not savings.record:
            continue
        for subject in options.subjects:
            with tempfile.TemporaryDirectory(prefix="epdiff-stats-") as folder:
                savings.play(subject, folder)
