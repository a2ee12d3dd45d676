#!/usr/bin/python3
"""How many of the recorded epoll_ctl calls could a layer that batches them have saved?

Replays what libeprecord.so wrote down under the rules of a policy that defers: what it may defer,
what makes it carry out what is pending, and what it may leave out altogether. docs/apps.md has the
rules in full. A record is also a text, one call a line, for tests and for people:

    process NUMBER PARENT
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

# Rules, and whether they hold unless the command line says otherwise. The four about what need not
# be carried out at all have the names that EPBATCH_ELIDE has for them.
RULES = {
    "batch": (True, "carrying out what is pending is one call, not one an operation"),
    "own-close": (True, "a close carries out what is pending for that number only, not everything"),
    "add-del": (True, "an ADD and a DEL that are both pending vanish"),
    "mod": (True, "a MOD takes the place of a pending ADD or MOD, a DEL that of a pending MOD"),
    "close": (
        True,
        "what is pending for a number vanishes at the last close of a file that was never "
        "duplicated, sent, or there at a fork",
    ),
    "instance": (True, "so does what is pending on an instance at its last close"),
    "single": (True, "both hold only in a process that never had a second thread"),
    "fork": (True, "an instance that exists at a fork is deferred on no more"),
    "duplicate": (True, "nor is one that has been duplicated"),
    "foreign": (True, "nor is one that watches files of another kind"),
    "waits": (True, "with a second thread, a wait that does not sleep stops deferring as well"),
    "stack": (True, "an event that is not in the caller's stack is not deferred"),
    "alone": (True, "nor is a call on a file that another process may have"),
    "setsockopt": (True, "setsockopt (connect, of a datagram socket) carries out what is pending"),
    "errors": (False, "a call that fails with certainty is answered without a system call"),
}
# Remarks of record.c on an epoll_ctl.
EVENT_ELSEWHERE, FOREIGN = 1, 2


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


@dataclass
class Record:
    """What one process did."""

    process: int
    parent: int
    calls: list


@dataclass(eq=False)
class File:
    """An open file description."""

    kind: str
    numbers: set = field(default_factory=set)
    private: bool = True  # never duplicated, sent, or there when the process forked
    elsewhere: bool = False  # another process may have it
    left: bool = False  # registered under a number that is no longer its own
    registered: set = field(default_factory=set)  # (instance, number)


@dataclass(eq=False)
class Instance(File):
    interest: dict = field(default_factory=dict)  # (file, number) -> True
    pending: dict = field(default_factory=dict)  # number -> operations, in order
    sleepers: set = field(default_factory=set)  # threads
    direct: str = ""  # why nothing is deferred any more


class Replay:
    """One process. `inherited` is what it has of its parent, by number."""

    def __init__(self, rules, inherited=()):
        self.rules = rules
        self.numbers = {}
        self.children = {}  # what they inherit, by process
        for number, file in dict(inherited).items():
            self.make(number, file)
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

    def flush_number(self, number, why):
        self.flush([i.pending.pop(number) for i in self.pending_of(number)], why)

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
            file.left = file.left or any(at == number for _, at in file.registered)
            return
        for instance, at in file.registered:
            instance.interest.pop((file, at), None)
        if isinstance(file, Instance):
            for target, at in file.interest:
                target.registered.discard((file, at))

    def vanish(self, lists, why):
        if lists:
            self.vanished[why] += sum(map(len, lists))
        return []

    def take_number(self, number):
        """What is pending for a number that is about to be closed, and has to be carried out."""
        file = self.numbers[number]
        last = file.private and not (self.threaded and self.rules["single"])
        lists = [instance.pending.pop(number) for instance in self.pending_of(number)]
        if last and self.rules["close"]:
            lists = self.vanish(lists, "at the last close")
        if isinstance(file, Instance) and len(file.numbers) == 1:
            own = list(file.pending.values())
            file.pending = {}
            if last and self.rules["instance"]:
                own = self.vanish(own, "at the last close of an instance")
            lists += own
        return lists

    def close_numbers(self, numbers):
        lists = [operations for number in numbers for operations in self.take_number(number)]
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
        if isinstance(file, Instance) and self.rules["duplicate"]:
            self.stop(file, "instance duplicated")

    def on_setsockopt(self, call):
        if self.rules["setsockopt"]:
            self.flush_number(call.arguments[0], "setsockopt")

    def on_connect(self, call):
        self.on_setsockopt(call)

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

    def on_fork(self, call):
        self.flush_instances(self.instances(), "fork")
        for file in self.numbers.values():
            file.private, file.elsewhere = False, True
            if isinstance(file, Instance) and self.rules["fork"]:
                self.stop(file, "instance shared by fork")
        self.children[call.results[0]] = self.inherited()

    def inherited(self):
        """The same files for a child, where they are known, and known not to be its own."""
        copies = {}
        for file in set(self.numbers.values()):
            copy = Instance(file.kind) if isinstance(file, Instance) else File(file.kind)
            copy.private, copy.elsewhere, copy.left = False, True, file.left
            if isinstance(copy, Instance):
                copy.direct = "instance inherited"
            copies[file] = copy
        return {number: copies[file] for number, file in self.numbers.items()}

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
        if call.arguments[1] != 0 or (self.threaded and self.rules["waits"]):
            self.waits[call.thread] = instance
            instance.sleepers.add(call.thread)

    # epoll_ctl.

    def why_direct(self, instance, operation, number, events, remarks):
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
        if remarks & EVENT_ELSEWHERE and self.rules["stack"]:
            return "event not in the stack"
        if target.elsewhere and self.rules["alone"]:
            return "another process has the target"
        if target.left:
            return "target registered under a number that it had"
        present = (target, number) in instance.interest
        if present == (operation == ADD):
            return "fails"
        return ""

    def on_epoll_ctl(self, call):
        epfd, operation, number, events = call.arguments
        remarks = call.results[1] if len(call.results) > 1 else 0
        instance, target = self.numbers.get(epfd), self.numbers.get(number)
        held = call.results[0] == 0
        self.seen += 1
        why = self.why_direct(instance, operation, number, events, remarks)
        # Where the replay is wrong about the result, it has missed something: a deferring layer
        # would be, too.
        if (why == "fails" and held) or (not why and not held):
            self.remarks["results that were not foreseen"] += 1
            why = "not foreseen"
        if not why:
            self.defer(instance, operation, number)
        elif why != "fails" or not self.rules["errors"]:
            self.flush_number(number, "a call that is not deferred")
            self.direct[why] += 1
        if held and operation == ADD and isinstance(target, Instance):
            self.stop(target, "instance nested")
        if held and isinstance(instance, Instance):
            if remarks & FOREIGN and self.rules["foreign"]:
                self.stop(instance, "instance watches other files")
            if target:
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
        elif operation == MOD and last in (ADD, MOD) and self.rules["mod"]:
            self.vanished["MOD overtaken"] += 1
        elif operation == DEL and last == MOD and self.rules["mod"]:
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


def read_call(words, path, line):
    known = {name[3:] for name in dir(Replay) if name.startswith("on_")} | CREATORS
    thread = int(words.pop(0)) if words[0].isdigit() else 1
    name, *rest = words
    if name not in known:
        raise BadRecord(f"{path}:{line}: unknown call '{name}'")
    at = rest.index("=") if "=" in rest else len(rest)
    arguments = [read_number(word, path, line) for word in rest[:at]]
    results = [read_number(word, path, line) for word in rest[at + 1 :]]
    if name == "epoll_ctl":
        arguments += [0] * (4 - len(arguments))
        results = results or [0]
    return Call(name, thread, tuple(arguments), tuple(results))


def read_text(lines, path):
    record = Record(0, 0, [])
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if words and words[0] == "process":
            record.process, record.parent = [read_number(w, path, number) for w in words[1:3]]
        elif words:
            record.calls.append(read_call(words, path, number))
    return record


def read_binary(data, path):
    lines = data[: PAGE - 8].split(b"\0", 1)[0].decode().splitlines()
    if len(lines) != 3 or lines[0] != "eprecord 1":
        raise BadRecord(f"{path}: not a record of this version")
    names = [None] + lines[2].split()
    process, parent, _ = lines[1].split(" ", 2)
    record = Record(int(process), int(parent), [])
    (used,) = struct.unpack_from("=Q", data, PAGE - 8)
    room = (len(data) - PAGE) // RECORD.size
    if used > room:
        raise BadRecord(f"{path}: {used - room} records did not fit in")
    for place in range(used):
        code, thread, *numbers = RECORD.unpack_from(data, PAGE + place * RECORD.size)
        if code == 0:  # the process was ended just here
            continue
        name = names[code]
        nresults = 2 if name in ("pipe", "socketpair", "epoll_ctl") else 1
        call = Call(name, thread, tuple(numbers[:4]), tuple(numbers[4 : 4 + nresults]))
        record.calls.append(call)
    return record


def read_record(path):
    with open(path, "rb") as file:
        if file.read(9) != b"eprecord ":
            file.seek(0)
            return read_text(file.read().decode().splitlines(), path)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return read_binary(data, path)


def replay_all(records, rules):
    """Parents before their children, which have what the parent had at the fork."""
    replays, inherited = [], {}
    waiting = list(records)
    while waiting:
        there = {record.process for record in waiting}
        ready = [r for r in waiting if r.parent not in there or r.parent == r.process] or waiting
        record = ready[0]
        waiting = [other for other in waiting if other is not record]
        replay = Replay(rules, inherited.pop(record.process, {})).play(record.calls)
        inherited.update(replay.children)
        replays.append(replay)
    return replays


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
    try:
        records = [read_record(path) for path in inside(options.files)]
    except (BadRecord, OSError) as error:
        print(f"tests/apps/savable.py: {error}", file=sys.stderr)
        return 2
    if options.print:
        for record in records:
            print(f"process {record.process} {record.parent}")
            print("".join(f"{as_text(call)}\n" for call in record.calls), end="")
    else:
        tell(replay_all(records, rules))
    return 0


if __name__ == "__main__":
    sys.exit(main())
