#!/usr/bin/env python3
"""Does guidance help? Runs each engine and random generation from an empty corpus, several trials each, and compares the
signatures that they reached at equal numbers of executions; beside them `epdiff fuzz`, for its speed.

    tests/bench/guidance.py [--trials N] [--seconds S] [--subject S] [--build DIR] [--out DIR] [--jobs N]

Nothing here is a test: the figures are in docs/guided.md.
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

ENGINES = ("random", "libFuzzer", "AFL++")
PLAIN = "epdiff fuzz"


def command(engine, build, folder, seconds, seed):
    """The engine's command line and what it adds to the environment."""
    if engine == "AFL++":
        seeds = folder / "seeds"
        seeds.mkdir()
        (seeds / "empty").write_bytes(b"\0")
        return (["afl-fuzz", "-V", str(seconds), "-t", "60000", "-s", str(seed), "-i", str(seeds), "-o", str(folder / "afl"),
                 "--", str(build / "afl-program")],
                {"AFL_NO_UI": "1", "AFL_SKIP_CPUFREQ": "1", "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", "AFL_NO_AFFINITY": "1",
                 "AFL_CUSTOM_MUTATOR_LIBRARY": str(build / "libepdiff-mutator.so"), "AFL_CUSTOM_MUTATOR_ONLY": "1"})
    corpus = folder / "corpus"
    corpus.mkdir()
    return ([str(build / "fuzz-program"), f"-max_total_time={seconds}", f"-seed={seed}", "-max_len=4096", str(corpus)],
            {"EPDIFF_MUTATE": "fresh"} if engine == "random" else {})


class Failed(Exception):
    """A run that did not come to its end; with one line."""


def plain(number, cpu, options):
    """One run of `epdiff fuzz` with one worker. Returns its programs per second."""
    folder = pathlib.Path(options.out) / f"fuzz-{number}"
    folder.mkdir()
    ended = subprocess.run(
        ["taskset", "-c", str(cpu), str(options.build / "epdiff"), "fuzz", "--subject", options.subject, "-j", "1", "--no-shrink",
         "--time", str(options.seconds), "--seed", str(number), "--out", str(folder / "findings")],
        capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 1):
        raise Failed(f"epdiff fuzz, trial {number}: status {ended.returncode}: {ended.stderr.strip()}")
    pairs = dict(word.split("=", 1) for word in ended.stdout.splitlines()[-1].split() if "=" in word)
    return int(pairs["programs"]) / float(pairs["seconds"])


def trial(engine, number, cpu, options):
    """One run. Returns its signatures as {signature: execution}, its last line of pairs, and AFL++'s stability."""
    if engine == PLAIN:
        return plain(number, cpu, options)
    folder = pathlib.Path(options.out) / f"{engine}-{number}"
    folder.mkdir()
    arguments, additions = command(engine, options.build, folder, options.seconds, number)
    stats = folder / "stats"
    environment = {**os.environ, "EPDIFF_SUBJECT": options.subject, "EPDIFF_STATS": str(stats), **additions}
    with open(folder / "log", "wb") as log:
        ended = subprocess.run(["taskset", "-c", str(cpu), *arguments], env=environment, stdout=log, stderr=log, check=False)
    if ended.returncode != 0:
        raise Failed(f"{engine}, trial {number}: status {ended.returncode}, see {folder}/log")
    signatures, last = {}, {}
    for line in stats.read_text().splitlines():
        words = line.split()
        if "=" in words[0]:
            last = dict(word.split("=") for word in words)
        else:
            signatures[words[1]] = int(words[0])
    stability = ""
    if engine == "AFL++":
        for line in (folder / "afl/default/fuzzer_stats").read_text().splitlines():
            if line.startswith("stability"):
                stability = line.split(":")[1].strip()
    return signatures, last, stability


@lru_cache(maxsize=None)
def ways(first, second, total):
    """How many orders of two groups give the first one that sum of wins."""
    if total < 0 or total > first * second:
        return 0
    if first == 0 or second == 0:
        return 1 if total == 0 else 0
    return ways(first - 1, second, total - second) + ways(first, second - 1, total)


def mann_whitney(first, second):
    """A12, the chance that one of the first is larger, and the exact two-sided p; ties count half and are rounded
    towards no difference."""
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    pairs = len(first) * len(second)
    extreme = int(min(wins, pairs - wins) + 0.5)
    below = sum(ways(len(first), len(second), total) for total in range(extreme + 1))
    everything = sum(ways(len(first), len(second), total) for total in range(pairs + 1))
    return wins / pairs, min(1.0, 2 * below / everything)


def reached(signatures, executions):
    return sum(1 for at in signatures.values() if at <= executions)


def report(results, speeds, options):
    executions = min(int(last["executions"]) for runs in results.values() for _, last, _ in runs)
    print(f"{options.subject}: {options.trials} trials of {options.seconds} s, compared at {executions} executions")
    print(f"{'':10} {'exec/s':>7} {'ratio':>5} {'unstable':>9} {'edges':>6} {'features':>9}  signatures at equal executions"
          f"{'':16} at the end  A12   p")
    fuzz = statistics.median(speeds)
    print(f"{PLAIN:11} {fuzz:6.0f}")
    counts = {engine: [reached(run[0], executions) for run in runs] for engine, runs in results.items()}
    for engine, runs in results.items():
        lasts = [last for _, last, _ in runs]
        speed = statistics.median(int(last["executions"]) / float(last["seconds"]) for last in lasts)
        unstable = sum(int(last["unstable"]) for last in lasts) / sum(int(last["executions"]) for last in lasts)
        ends = statistics.median(len(signatures) for signatures, _, _ in runs)
        versus = ""
        if engine != "random":
            effect, chance = mann_whitney(counts[engine], counts["random"])
            versus = f"{effect:.2f}  {chance:.4f}"
        spread = f"median {statistics.median(counts[engine]):g} [{min(counts[engine])}, {max(counts[engine])}]"
        print(f"{engine:10} {speed:7.0f} {speed / fuzz:5.2f} {unstable:9.5f} {statistics.median(int(last['edges']) for last in lasts):6g}"
              f" {statistics.median(int(last['features']) for last in lasts):9g}  {spread:46} {ends:10g}  {versus}")
        if any(stability for _, _, stability in runs):
            print(f"{'':10} stability {', '.join(stability for _, _, stability in runs)}")
    # To each signature: the executions that half of the trials needed. One that fewer than half met has no such number.
    table = {}
    for engine, runs in results.items():
        for signature in {name for signatures, _, _ in runs for name in signatures}:
            needed = sorted(signatures.get(signature, float("inf")) for signatures, _, _ in runs)
            table.setdefault(signature, {})[engine] = needed[(len(needed) - 1) // 2]
    infinite = float("inf")
    for engine in results:
        if engine == "random":
            continue
        pairs = [(row.get(engine, infinite), row.get("random", infinite)) for row in table.values()]
        print(f"{engine} against random, executions to each of {len(table)} signatures (median of the trials): "
              f"fewer for {sum(a < b for a, b in pairs)}, more for {sum(a > b for a, b in pairs)}, "
              f"only {engine} {sum(a < infinite and b == infinite for a, b in pairs)}, "
              f"only random {sum(a == infinite and b < infinite for a, b in pairs)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--subject", default="shim:tls+syscall")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build-engines"))
    parser.add_argument("--out", help="where the trials' folders are kept (default: nowhere)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="trials at a time, one a CPU")
    options = parser.parse_args()
    options.build = options.build.resolve()
    kept = options.out
    options.out = kept or tempfile.mkdtemp(prefix="epdiff-guidance-")
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    cpus = sorted(os.sched_getaffinity(0))[:options.jobs]
    free = list(cpus)

    def work(job):
        cpu = free.pop()
        try:
            return trial(*job, cpu, options)
        finally:
            free.append(cpu)

    # Interleaved, so that whatever else the machine does meets all engines.
    jobs = [(engine, number) for number in range(1, options.trials + 1) for engine in (PLAIN, *ENGINES)]
    pool = ThreadPoolExecutor(len(cpus))
    try:
        done = list(pool.map(work, jobs))
    except Failed as failed:
        # Its folder stays, whoever asked for it.
        pool.shutdown(cancel_futures=True)
        sys.exit(f"guidance: {failed}")
    results = {engine: [run for job, run in zip(jobs, done) if job[0] == engine] for engine in ENGINES}
    report(results, [speed for job, speed in zip(jobs, done) if job[0] == PLAIN], options)
    if not kept:
        shutil.rmtree(options.out)


if __name__ == "__main__":
    main()
