"""What tests/apps/run does: plays programs natively and under subjects, compares, and tells."""
import argparse
import os
import signal
import sys

from harness import (
    CALLS,
    CTL_CALLS,
    INTERRUPTS,
    Subject,
    Unusable,
    adopt_orphans,
    choose_counter,
    complain,
    subjects_of,
)
from programs.loads import LOADS
from programs.table import PROGRAMS
from running import Run, shorten, tell_evidence
from savings import play_savings

HERE = os.path.dirname(os.path.realpath(__file__))
STATUS_HELD, STATUS_FAILED, STATUS_USAGE, STATUS_UNUSABLE = 0, 1, 2, 3
SAVING = ["shim:transparent+all"]  # unless --subject is given
CONFIRMATIONS = 4  # further runs of each side of what differs, where a script can repeat a part
TOLD_MAX = 8  # differences that are told in full


class Interrupted(BaseException):
    pass


def interrupt(number, _frame):
    raise Interrupted(signal.Signals(number).name)


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="tests/apps/run",
        description="Runs real programs natively and under subjects, and compares.",
        epilog="Exit status: 0 all held, 1 something differed, 2 bad usage, 3 the harness could "
        "not do its work. docs/apps.md is the manual.",
    )
    parser.add_argument("programs", metavar="PROGRAM", nargs="*", help="all, unless some are named")
    parser.add_argument(
        "--subject",
        metavar="SUBJECT",
        action="append",
        help="native, shim:POLICY+BACKEND or preload:PATH; can be repeated (native; with --savings "
        "shim:transparent+all). The backend `all` is each that this machine has",
    )
    parser.add_argument("--quick", action="store_true", help="fewer programs, smaller counts")
    parser.add_argument(
        "--savings",
        action="store_true",
        help="measure what is saved of the epoll_ctl calls of loads, and what could be",
    )
    parser.add_argument("--list", action="store_true", help="print the programs and end")
    parser.add_argument(
        "--count", action="store_true", help="count system calls, and what of them is saved"
    )
    parser.add_argument("--stats", metavar="DIR", help="let the shim write its statistics there")
    parser.add_argument(
        "--keep", metavar="DIR", help="copy the files of runs that failed there, logs and all"
    )
    parser.add_argument(
        "--build", metavar="DIR", default=os.path.join(HERE, "../../build"), help="(build)"
    )
    options = parser.parse_args()
    options.build = os.path.realpath(options.build)
    if options.savings and (options.count or options.stats):
        parser.error("--savings counts and has statistics by itself: no --count, no --stats")
    known = [program.name for program in table_of(options)]
    for name in options.programs:
        if name not in known:
            parser.error(f"unknown program '{name}', expected one of: {' '.join(known)}")
    for name in ("stats", "keep"):
        if getattr(options, name):
            setattr(options, name, os.path.realpath(getattr(options, name)))
            os.makedirs(getattr(options, name), exist_ok=True)
    try:
        names = options.subject or (SAVING if options.savings else ["native"])
        if options.savings and "native" in names:
            raise ValueError("natively nothing is saved: --savings needs another subject")
        options.subjects = subjects_of(names, options.build)
    except ValueError as error:
        parser.error(str(error))
    return options


def table_of(options):
    return LOADS if options.savings else PROGRAMS


def list_programs(options):
    for program in table_of(options):
        kind = "" if options.savings else "quick " if program.quick else "full  "
        print(f"{program.name:22} {kind}{program.what}")


def chosen(options):
    table = table_of(options)
    if options.programs:
        return [program for program in table if program.name in options.programs]
    return [program for program in table if options.savings or program.quick or not options.quick]


def check_packages(programs):
    missing = set()
    for program in programs:
        missing |= {package for path, package in program.needs if not os.path.exists(path)}
    if missing:
        raise Unusable(f"missing packages: {' '.join(sorted(missing))} (`ci/setup apps` installs)")


def differences(one, other):
    """Names of facts that are not the same in both, in the order of the first."""
    names = list(one) + [name for name in other if name not in one]
    return [name for name in names if one.get(name) != other.get(name)]


class Reference:
    """The native side of one program. Facts in which native runs differ among themselves are set
    aside, and grow in number when a confirmation finds another one."""

    def __init__(self, program, options):
        self.program, self.options = program, options
        self.native = Subject("native", options.build)
        first = Run(program, self.native, options)
        self.facts, self.faults, self.counts = first.facts, first.faults, first.counts
        self.evidence = first.evidence
        self.unstable = set()
        # With --quick a difference is only looked at natively once more when it is confirmed.
        for _ in range(0 if options.quick else program.references - 1):
            again = Run(program, self.native, options)
            self.unstable.update(differences(self.facts, again.facts))
            self.faults += again.faults

    def confirm(self, subject, names):
        """Which of these differences show again? Both sides take turns."""
        again = set()
        for _ in range(CONFIRMATIONS):
            native = Run(self.program, self.native, self.options, only=names)
            self.unstable.update(n for n in names if native.facts.get(n) != self.facts.get(n))
            other = Run(self.program, subject, self.options, only=names)
            again.update(n for n in names if other.facts.get(n) != self.facts.get(n))
        return [name for name in names if name in again and name not in self.unstable]

    def tell(self, run, name):
        here, natively = run.facts.get(name, "absent"), self.facts.get(name, "absent")
        return f"{name}: {shorten(here)}, natively {shorten(natively)}"

    def compare(self, run, subject):
        """Returns what is wrong with a run, one line each, and remarks on what is not."""
        names = [n for n in differences(self.facts, run.facts) if n not in self.unstable]
        if run.faults:
            # What a run that was cut short did not come to is no difference of its own.
            names = [name for name in names if name in run.facts]
        remarks = []
        if names and self.program.repeatable and not run.faults:
            confirmed = self.confirm(subject, names)
            once = [n for n in names if n not in confirmed and n not in self.unstable]
            if once:
                more = f" (and {len(once) - 1} more)" if len(once) > 1 else ""
                remarks.append(f"once and not again: {self.tell(run, once[0])}{more}")
                for name in once[1:TOLD_MAX]:
                    print(f"       once and not again: {self.tell(run, name)}", file=sys.stderr)
            names = confirmed
        wrong = run.faults + [self.tell(run, name) for name in names]
        if self.unstable:
            remarks.append(f"{len(self.unstable)} set aside, for native runs differ in them")
        return wrong, remarks


def tell(program, subject, run, wrong, remarks):
    what = shorten(wrong[0]) if wrong else f"{run.summary}, {run.seconds:.1f} s"
    if len(wrong) > 1:
        what += f" (and {len(wrong) - 1} more)"
    for remark in remarks:
        what += f"; {remark}"
    print(f"{'FAIL' if wrong else 'ok  '} {program.name} {subject.name}: {what}", flush=True)
    if not wrong:
        return
    for line in wrong[1:TOLD_MAX]:
        print(f"       {shorten(line)}", file=sys.stderr)
    tell_evidence(run)


def tell_counts(program, subject, native, counts):
    """One line: each call natively and here, and what of the epoll_ctl calls was saved."""
    used = [call for call in CALLS if native[call] or counts[call]]
    calls = " ".join(f"{call} {native[call]}->{counts[call]}" for call in used)
    before = sum(native[call] for call in CTL_CALLS)
    after = sum(counts[call] for call in CTL_CALLS)
    saved = f"{100 * (before - after) / before:.1f} % saved" if before else "nothing to save"
    print(f"     {program.name} {subject.name}: {before}->{after}, {saved}: {calls}", flush=True)


class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.unusable = False


def play_program(program, options, tally):
    reference = Reference(program, options)
    if reference.faults:
        faults = "; ".join(reference.faults)
        complain(f"{program.name}: natively: {faults}: nothing to compare with")
        tell_evidence(reference)
        tally.unusable = True
        return
    for subject in options.subjects:
        run = Run(program, subject, options)
        wrong, remarks = reference.compare(run, subject)
        tally.passed += not wrong
        tally.failed += bool(wrong)
        tell(program, subject, run, wrong, remarks)
        if options.count:
            tell_counts(program, subject, reference.counts, run.counts)


def play_all(options, tally):
    adopt_orphans()
    programs = chosen(options)
    check_packages(programs)
    if not options.subjects:
        raise Unusable("no subject is left")
    for subject in options.subjects:
        subject.check()
    if options.savings:
        play_savings(programs, options, tally)
        return
    options.counter = choose_counter(options.build) if options.count else None
    for program in programs:
        play_program(program, options, tally)


def main():
    tally = Tally()
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    try:
        options = read_arguments()
        if options.list:
            list_programs(options)
            return STATUS_HELD
        play_all(options, tally)
    except Unusable as error:
        complain(error)
        tally.unusable = True
    except Interrupted as error:
        complain(f"ended by {error}")
        tally.unusable = True
    print(f"{tally.passed} passed, {tally.failed} failed")
    if tally.failed:
        return STATUS_FAILED
    return STATUS_UNUSABLE if tally.unusable else STATUS_HELD
