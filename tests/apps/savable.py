#!/usr/bin/python3
"""How many of the recorded epoll_ctl calls could a layer that batches them have saved?

Replays what libeprecord.so wrote down under the rules of a policy that defers: what it may defer,
what makes it carry out what is pending, and what it may leave out altogether. docs/apps.md has the
rules in full. A record is also a text, one call a line, for tests and for people:

    [THREAD] CALL ARGUMENT... [= RESULT...]
    7 epoll_ctl 3 ADD 5 IN|ET = 0
"""
import argparse
import mmap
import os
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field

PAGE = 4096
RECORD = struct.Struct("=Ii4i2i")  # struct record of record.c
ADD, DEL, MOD = 1, 2, 3
OPERATIONS = {"ADD": ADD, "DEL": DEL, "MOD": MOD}
EVENTS = {
    "IN": 0x1,
    "PRI": 0x2,
    "OUT": 0x4,
    "RDHUP": 0x2000,
    "EXCLUSIVE": 1 << 28,
    "WAKEUP": 1 << 29,
    "ONESHOT": 1 << 30,
    "ET": 1 << 31,
}
DIRECT_EVENTS = EVENTS["EXCLUSIVE"] | EVENTS["WAKEUP"]
# Which numbers of a text line are results; the rest are arguments.
CREATORS = {"socket", "accept", "eventfd", "timerfd", "pipe", "socketpair"}

# Rules, and whether they hold unless the command line says otherwise.
RULES = {
    "batch": (True, "carrying out what is pending is one call, not one an operation"),
    "own-close": (True, "a close carries out what is pending for that number only, not everything"),
    "add-del": (True, "an ADD and a DEL that are both pending vanish"),
    "merge": (True, "a MOD takes the place of a pending MOD, or becomes part of a pending ADD"),
    "last-close": (
        True,
        "what ends with a pending ADD or DEL vanishes at the last close of a file of one process, "
        "in a process of one thread",
    ),
    "fork-shares": (True, "an instance that exists at a fork is deferred on no more"),
    "mod-close": (False, "last-close holds for what ends with a pending MOD as well"),
    "mod-del": (False, "a DEL takes the place of a pending MOD"),
    "errors": (False, "a call that fails with certainty is answered without a system call"),
    "setsockopt": (False, "setsockopt carries out what is pending for its number"),
}


def default_rules():
    return {name: on for name, (on, _) in RULES.items()}


class BadRecord(Exception):
    pass


@dataclass
class Call:
    name: str
    thread: int
    arguments: tuple
    results: tuple


@dataclass(eq=False)
class File:
    """An open file description."""

    kind: str
    numbers: set = field(default_factory=set)
    private: bool = True  # never duplicated, sent, or there when the process forked
    elsewhere: bool = False  # another process may have it
    registered: set = field(default_factory=set)  # (instance, number)


@dataclass(eq=False)
class Instance(File):
    interest: dict = field(default_factory=dict)  # (file, number) -> True
    pending: dict = field(default_factory=dict)  # number -> operations, in order
    sleepers: set = field(default_factory=set)  # threads
    direct: str = ""  # why nothing is deferred any more


class Replay:
    """One process."""

    def __init__(self, rules):
        self.rules = rules
        self.numbers = {}
        self.threads = set()
        self.threaded = False
        self.waits = {}  # thread -> instance
        self.seen = 0
        self.direct = Counter()
        self.flushes = Counter()
        self.flushed = 0  # operations
        self.vanished = Counter()
        self.remarks = Counter()

    @property
    def needed(self):
        return sum(self.direct.values()) + sum(self.flushes.values())

    def play(self, calls):
        for call in calls:
            self.threads.add(call.thread)
            self.threaded = self.threaded or len(self.threads) > 1
            if call.name in CREATORS:
                for number in call.results:
                    self.make(number, File(call.name))
            else:
                getattr(self, f"on_{call.name}")(call)
        left = sum(len(i.pending) for i in self.instances())
        self.remarks["numbers with something pending at the end"] += left
        return self

    def instances(self):
        return {file for file in self.numbers.values() if isinstance(file, Instance)}

    # Carrying out.

    def flush(self, lists, why):
        """One call for all of these operations."""
        count = sum(map(len, lists))
        self.flushed += count
        if count:
            self.flushes[why] += 1 if self.rules["batch"] else count

    def flush_instances(self, instances, why):
        lists = [ops for instance in instances for ops in instance.pending.values()]
        self.flush(lists, why)
        for instance in instances:
            instance.pending.clear()

    def pending_of(self, number):
        return [i for i in self.instances() if number in i.pending]

    def flush_number(self, number, why, instances=None):
        found = self.pending_of(number) if instances is None else instances
        self.flush([i.pending.pop(number, []) for i in found], why)

    # Numbers.

    def make(self, number, file):
        if number in self.numbers:
            self.remarks["numbers that were closed unseen"] += 1
            for instance in self.pending_of(number):
                del instance.pending[number]
            self.forget(number)
        self.numbers[number] = file
        file.numbers.add(number)

    def forget(self, number):
        """The number is free; with its last number a file goes, unless it is elsewhere as well."""
        file = self.numbers.pop(number)
        file.numbers.discard(number)
        if file.numbers or file.elsewhere:
            return
        for instance, at in file.registered:
            instance.interest.pop((file, at), None)
        if isinstance(file, Instance):
            for target, at in file.interest:
                target.registered.discard((file, at))

    def may_vanish(self, number):
        """Whether what is pending for a number need not be carried out at its close."""
        file = self.numbers[number]
        return (
            self.rules["last-close"]
            and not self.threaded
            and file.private
            and all(
                instance.pending[number][-1] != MOD or self.rules["mod-close"]
                for instance in self.pending_of(number)
            )
        )

    def close_numbers(self, numbers):
        lists = []
        for number in numbers:
            file = self.numbers[number]
            found = self.pending_of(number)
            if found and self.may_vanish(number):
                for instance in found:
                    self.vanished["at the last close"] += len(instance.pending.pop(number))
                found = []
            lists += [instance.pending.pop(number) for instance in found]
            if isinstance(file, Instance) and len(file.numbers) == 1:
                lists += file.pending.values()
                file.pending = {}
        if not self.rules["own-close"]:
            for instance in self.instances():
                lists += instance.pending.values()
                instance.pending.clear()
        self.flush(lists, "close")
        for number in numbers:
            self.forget(number)

    # Calls.

    def on_epoll_create(self, call):
        self.make(call.results[0], Instance("epoll"))

    def on_close(self, call):
        if call.arguments[0] in self.numbers:
            self.close_numbers([call.arguments[0]])

    def on_close_range(self, call):
        first, last = call.arguments[:2]
        self.close_numbers([number for number in sorted(self.numbers) if first <= number <= last])

    def on_dup(self, call):
        old, new = call.arguments[0], call.results[0]
        if new in self.numbers:
            self.close_numbers([new])
        file = self.numbers.get(old)
        if file:
            file.private = False
            self.make(new, file)

    def on_setsockopt(self, call):
        if self.rules["setsockopt"]:
            self.flush_number(call.arguments[0], "setsockopt")

    def stop(self, instance, why):
        """From now on nothing is deferred on it."""
        self.flush_instances([instance], why)
        instance.direct = instance.direct or why

    def on_send_rights(self, call):
        file = self.numbers.get(call.arguments[0])
        if file:
            file.private, file.elsewhere = False, True
        if isinstance(file, Instance):
            self.stop(file, "instance sent away")

    def on_poll(self, call):
        file = self.numbers.get(call.arguments[0])
        if isinstance(file, Instance):
            self.stop(file, "instance polled")

    def on_fork(self, _call):
        self.flush_instances(self.instances(), "fork")
        for file in self.numbers.values():
            file.private, file.elsewhere = False, True
            if isinstance(file, Instance) and self.rules["fork-shares"]:
                self.stop(file, "instance shared by fork")

    def on_thread(self, _call):
        self.threaded = True

    def on_woke(self, call):
        instance = self.waits.pop(call.thread, None)
        if instance:
            instance.sleepers.discard(call.thread)

    def on_wait(self, call):
        self.on_woke(call)  # of a wait that it left by other means
        instance = self.numbers.get(call.arguments[0])
        if not isinstance(instance, Instance):
            return
        self.flush_instances([instance], "wait")
        if call.arguments[1] != 0:
            self.waits[call.thread] = instance
            instance.sleepers.add(call.thread)

    # epoll_ctl.

    def why_direct(self, instance, operation, number, events):
        target = self.numbers.get(number)
        if not isinstance(instance, Instance):
            return "instance unknown"
        if instance.direct:
            return instance.direct
        if target is None:
            return "target unknown"
        if isinstance(target, Instance):
            return "target is an instance"
        if operation not in OPERATIONS.values():
            return "no operation"
        if events & DIRECT_EVENTS:
            return "EXCLUSIVE or WAKEUP"
        if instance.sleepers:
            return "a thread waits"
        present = (target, number) in instance.interest
        if present == (operation == ADD):
            return "fails"
        return ""

    def on_epoll_ctl(self, call):
        epfd, operation, number, events = call.arguments
        instance, target = self.numbers.get(epfd), self.numbers.get(number)
        held = call.results[0] == 0
        self.seen += 1
        why = self.why_direct(instance, operation, number, events)
        if isinstance(target, Instance) and operation == ADD and held:
            self.stop(target, "instance nested")
        # Where the replay is wrong about the result, it has missed something: a deferring layer
        # would be, too.
        if (why == "fails" and held) or (not why and not held):
            self.remarks["results that were not foreseen"] += 1
            why = "not foreseen"
        if not why:
            self.defer(instance, operation, number)
        elif why != "fails" or not self.rules["errors"]:
            if isinstance(instance, Instance) and number in instance.pending:
                self.flush_number(number, "a call that is not deferred", [instance])
            self.direct[why] += 1
        if held and isinstance(instance, Instance) and target:
            self.note(instance, target, operation, number)

    @staticmethod
    def note(instance, target, operation, number):
        if operation == ADD:
            instance.interest[target, number] = True
            target.registered.add((instance, number))
        elif operation == DEL:
            instance.interest.pop((target, number), None)
            target.registered.discard((instance, number))

    def defer(self, instance, operation, number):
        operations = instance.pending.setdefault(number, [])
        last = operations[-1] if operations else None
        if operation == DEL and last == ADD and self.rules["add-del"]:
            operations.pop()
            self.vanished["ADD and DEL"] += 2
        elif operation == MOD and last in (ADD, MOD) and self.rules["merge"]:
            self.vanished["MOD overtaken"] += 1
        elif operation == DEL and last == MOD and self.rules["mod-del"]:
            operations[-1] = DEL
            self.vanished["MOD overtaken"] += 1
        else:
            operations.append(operation)
        if not operations:
            del instance.pending[number]


# Reading.


def read_number(word, path, line):
    try:
        return OPERATIONS.get(word) or sum(
            EVENTS[part] if part in EVENTS else int(part, 0) for part in word.split("|")
        )
    except ValueError:
        raise BadRecord(f"{path}:{line}: '{word}' is no number, operation or event") from None


def read_text(lines, path):
    known = {name[3:] for name in dir(Replay) if name.startswith("on_")} | CREATORS
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        thread = int(words.pop(0)) if words[0].isdigit() else 1
        name, *rest = words
        if name not in known:
            raise BadRecord(f"{path}:{number}: unknown call '{name}'")
        at = rest.index("=") if "=" in rest else len(rest)
        arguments = [read_number(word, path, number) for word in rest[:at]]
        results = [read_number(word, path, number) for word in rest[at + 1 :]]
        if name == "epoll_ctl":
            arguments += [0] * (4 - len(arguments))
            results = results or [0]
        yield Call(name, thread, tuple(arguments), tuple(results))


def read_binary(data, path):
    lines = data[: PAGE - 8].split(b"\0", 1)[0].decode().splitlines()
    if len(lines) != 3 or lines[0] != "eprecord 1":
        raise BadRecord(f"{path}: not a record of this version")
    names = [None] + lines[2].split()
    (used,) = struct.unpack_from("=Q", data, PAGE - 8)
    room = (len(data) - PAGE) // RECORD.size
    if used > room:
        raise BadRecord(f"{path}: {used - room} records did not fit in")
    for place in range(used):
        code, thread, *numbers = RECORD.unpack_from(data, PAGE + place * RECORD.size)
        if code == 0:  # the process was ended just here
            continue
        name = names[code]
        nresults = 2 if name in ("pipe", "socketpair") else 1
        yield Call(name, thread, tuple(numbers[:4]), tuple(numbers[4 : 4 + nresults]))


def read_record(path):
    with open(path, "rb") as file:
        if file.read(9) != b"eprecord ":
            file.seek(0)
            return list(read_text(file.read().decode().splitlines(), path))
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return list(read_binary(data, path))


def as_text(call):
    arguments = list(call.arguments)
    if call.name == "epoll_ctl":
        words = {value: name for name, value in OPERATIONS.items()}
        arguments[1] = words.get(arguments[1], arguments[1])
        arguments[3] = hex(arguments[3] & 0xFFFFFFFF)
    given = " ".join(map(str, arguments))
    return f"{call.thread} {call.name} {given} = {' '.join(map(str, call.results))}"


# Telling.


def read_arguments():
    rules = "\n".join(
        f"  {name:12} {'on ' if on else 'off'}  {what}" for name, (on, what) in RULES.items()
    )
    parser = argparse.ArgumentParser(
        prog="tests/apps/savable.py",
        description="How many of the recorded epoll_ctl calls could have been saved?",
        epilog=f"rules, and whether they hold:\n{rules}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="records, or folders of them")
    for option in ("with", "without"):
        parser.add_argument(
            f"--{option}",
            dest=option + "_",
            metavar="RULE",
            action="append",
            default=[],
            choices=RULES,
            help=f"replay {option} that rule",
        )
    parser.add_argument("--print", action="store_true", help="print the records as text instead")
    return parser.parse_args()


def inside(paths):
    """The files themselves and those in the folders."""
    for path in paths:
        if os.path.isdir(path):
            yield from (os.path.join(path, name) for name in sorted(os.listdir(path)))
        else:
            yield path


def table(title, counter):
    for name, number in counter.most_common():
        if number:
            print(f"    {number:9}  {title}: {name}")


def tell(replays):
    def total(name):
        return sum((getattr(replay, name) for replay in replays), Counter())

    seen = sum(replay.seen for replay in replays)
    direct, flushes, vanished = total("direct"), total("flushes"), total("vanished")
    needed = sum(direct.values()) + sum(flushes.values())
    processes = sum(1 for replay in replays if replay.seen)
    print(f"calls seen    {seen:9}  in {processes} processes")
    print(f"  deferred    {seen - sum(direct.values()):9}")
    table("vanished", vanished)
    print(f"  direct      {sum(direct.values()):9}")
    table("direct", direct)
    operations = sum(replay.flushed for replay in replays)
    print(f"  flushes     {sum(flushes.values()):9}  of {operations} operations")
    table("flush", flushes)
    table("remark", total("remarks"))
    print(f"calls needed  {needed:9}")
    print(f"savable       {100 * (seen - needed) / seen if seen else 0:9.1f} %")


def main():
    options = read_arguments()
    rules = default_rules()
    rules.update(dict.fromkeys(options.with_, True), **dict.fromkeys(options.without_, False))
    replays = []
    try:
        for path in inside(options.files):
            calls = read_record(path)
            if options.print:
                print(f"# {path}", *map(as_text, calls), sep="\n")
            else:
                replays.append(Replay(rules).play(calls))
    except (BadRecord, OSError) as error:
        print(f"tests/apps/savable.py: {error}", file=sys.stderr)
        return 2
    if not options.print:
        tell(replays)
    return 0


if __name__ == "__main__":
    sys.exit(main())
