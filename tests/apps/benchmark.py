"""What tests/apps/bench does: plays each load natively and under each subject, taking turns.

The statistics are those of build/tests/compare_runs; nothing is computed here but quotients.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import types

from driver import (
    STATUS_FAILED,
    STATUS_HELD,
    STATUS_UNUSABLE,
    Interrupted,
    check_packages,
    interrupt,
)
from harness import (
    CTL_CALLS,
    HOW_TO_BUILD,
    INTERRUPTS,
    Unusable,
    adopt_orphans,
    choose_counter,
    complain,
    subjects_of,
)
from programs.loads import LOADS
from running import Run, shorten, tell_evidence

HERE = os.path.dirname(os.path.realpath(__file__))
NATIVE = "native"
SUBJECTS = (NATIVE, "shim:tls+all", "shim:transparent+all")
MAY_FAIL = "shim:tls+"  # it is not made for programs with threads
ROUNDS, ROUNDS_MAX = 15, 1001
FIGURES = {
    "requests per second": lambda measured: measured.requests / measured.seconds,
    "CPU us per request": lambda measured: measured.cpu_seconds / measured.requests * 1e6,
}
CALLS = "calls per request"
LINE = re.compile(r"(\S+) +(\d+) +(\S+) +(\S+) +(\S+) \.\. (\S+) \(([\d.]+) %\)")


def read_rounds(text):
    if not text.isdigit() or not 1 <= int(text) <= ROUNDS_MAX:
        raise argparse.ArgumentTypeError(f"'{text}', expected 1 to {ROUNDS_MAX}")
    return int(text)


def read_arguments():
    names = [load.name for load in LOADS]
    parser = argparse.ArgumentParser(
        prog="tests/apps/bench",
        description="Measures real programs natively and under the shim.",
        epilog="Exit status: 0 measured, 1 a program failed natively or under `transparent`, "
        "2 bad usage, 3 cannot measure. docs/bench.md is the manual.",
    )
    parser.add_argument(
        "--rounds", metavar="N", type=read_rounds, default=ROUNDS, help=f"of each ({ROUNDS})"
    )
    parser.add_argument(
        "--only", metavar="LOAD", action="append", choices=names, help="can be repeated (all)"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    parser.add_argument("--json", action="store_true", help="an object a line")
    parser.add_argument("--list", action="store_true", help="print the loads and end")
    parser.add_argument(
        "--build", metavar="DIR", default=os.path.join(HERE, "../../build"), help="(build)"
    )
    options = parser.parse_args()
    options.build = os.path.realpath(options.build)
    options.only = options.only or names
    return options


def compare(build, lines):
    """What compare_runs says of `SUBJECT NUMBER` lines, by subject."""
    tool = os.path.join(build, "tests", "compare_runs")
    try:
        done = subprocess.run([tool], input="\n".join(lines), text=True, capture_output=True)
    except OSError as error:
        raise Unusable(f"{tool}: {error.strerror}: {HOW_TO_BUILD}") from error
    if done.returncode != 0:
        raise Unusable(done.stderr.strip())
    names = ("rounds", "median", "ratio", "low", "high", "confidence")
    found = {}
    for line in done.stdout.splitlines()[1:]:
        subject, *numbers = LINE.fullmatch(line).groups()
        found[subject] = dict(zip(names, map(float, numbers)))
    return found


class Bench:
    def __init__(self, options):
        self.options = options
        self.room = types.SimpleNamespace(
            build=options.build, quick=options.quick, count=False, stats=None, keep=None
        )
        self.counting = types.SimpleNamespace(**{**vars(self.room), "count": True})
        self.counting.counter = choose_counter(options.build)
        self.subjects = subjects_of(SUBJECTS, options.build, "bench")
        self.failed = False

    def run(self, load, subject, how, round_name):
        """Returns a run, or None when it failed, which has been told then."""
        run = Run(load, subject, how)
        if not run.faults:
            return run
        expected = subject.name.startswith(MAY_FAIL)
        self.failed |= not expected
        text = shorten("; ".join(run.faults))
        if self.options.json:
            self.tell_json(load, failed=text, subject=subject.name, round=round_name)
        else:
            print(f"{load.name:18} {'':20} {subject.name:25} fails in {round_name}: {text}")
        if not expected:
            tell_evidence(run)
        return None

    @staticmethod
    def tell_json(load, **pairs):
        print(json.dumps({"load": load.name, **pairs}), flush=True)

    def measure(self, load):
        """Rounds of all subjects, in an order that moves on; what fails once is out."""
        values = {subject.name: [] for subject in self.subjects}
        for number in range(self.options.rounds):
            turn = number % len(self.subjects)
            for subject in self.subjects[turn:] + self.subjects[:turn]:
                if subject.name not in values:
                    continue
                run = self.run(load, subject, self.room, f"round {number + 1}")
                if run:
                    values[subject.name].append(run.measured)
                else:
                    del values[subject.name]
                    if subject.name == NATIVE:
                        return {}
        return values

    def tell(self, load, values):
        for figure, quotient in FIGURES.items():
            lines = [f"{name} {quotient(m):.9g}" for name in values for m in values[name]]
            for name, found in compare(self.options.build, lines).items():
                if self.options.json:
                    self.tell_json(load, figure=figure, subject=name, **found)
                    continue
                interval = f"{found['low']:.4f} .. {found['high']:.4f}"
                print(
                    f"{load.name:18} {figure:20} {name:25} {found['median']:11.5g} "
                    f"{found['ratio']:8.4f}  {interval} ({found['confidence']:g} %)",
                    flush=True,
                )

    def tell_calls(self, load, names):
        """One more run of each, counted by the kernel."""
        native = 0
        for subject in self.subjects:
            if subject.name not in names:
                continue
            run = self.run(load, subject, self.counting, "the run that is counted")
            if not run:
                continue
            each = {call: run.counts[call] / run.measured.all_requests for call in CTL_CALLS}
            total = sum(each.values())
            native = total if subject.name == NATIVE else native
            ratio = total / native if native else 0
            if self.options.json:
                self.tell_json(
                    load, figure=CALLS, subject=subject.name, **each, total=total, ratio=ratio
                )
                continue
            parts = ", ".join(f"{call} {value:.4f}" for call, value in each.items())
            print(
                f"{load.name:18} {CALLS:20} {subject.name:25} {total:11.5g} {ratio:8.4f}  {parts}",
                flush=True,
            )

    def play(self, load):
        values = self.measure(load)
        if values:
            self.tell(load, values)
            self.tell_calls(load, values)


def measure_all(options):
    adopt_orphans()
    loads = [load for load in LOADS if load.name in options.only]
    check_packages(loads)
    bench = Bench(options)
    if not options.json:
        columns = f"{'median':>11} {'ratio':>8}  interval of the ratio"
        print(f"{'load':18} {'figure':20} {'subject':25} {columns}", flush=True)
    for load in loads:
        bench.play(load)
    return STATUS_FAILED if bench.failed else STATUS_HELD


def main():
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    try:
        options = read_arguments()
        if options.list:
            for load in LOADS:
                print(f"{load.name:22} {load.what}")
            return STATUS_HELD
        return measure_all(options)
    except Unusable as error:
        complain(error, "bench")
    except Interrupted as error:
        complain(f"ended by {error}", "bench")
    return STATUS_UNUSABLE
