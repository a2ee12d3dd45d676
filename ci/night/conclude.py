"""What is new: every finding of the night, each signature once, confirmed in fresh processes, shrunk, and held against the
known list. The tool reads the findings and the list (epdiff known); nobody else has an opinion on their form."""
import json
import os
import re
import shutil
import time

CONFIRM_LIMIT = 60
SHRINK_LIMIT = 120
CRASH_LIMIT = 60
REPORT_LIMIT = 900
TRIES = 3  # files of one signature that are tried until one shows it again


class Finding:
    """A signature under a subject. state: confirmed; unconfirmed, it did not come again; unchecked, time was over or the
    night ended."""

    def __init__(self, subject, signature):
        self.subject, self.signature = subject, signature
        self.files, self.state, self.path, self.steps, self.explanation, self.note = [], "unchecked", "", 0, "", ""

    def command(self, path):
        metamorphic = " --metamorphic" if self.signature.startswith("metamorphic/") else ""
        order = " --strict-order" if self.signature.startswith("order/") else ""
        machine = " --vm" if self.subject.endswith("+module") else ""
        return f"build/epdiff run {path} --subject {self.subject}{metamorphic}{order}{machine}"


class Crash:
    """An input of a small target that ends it."""

    def __init__(self, target, path, said, confirmed):
        self.target, self.path, self.said, self.confirmed = target, path, said, confirmed

    def command(self, night):
        return f"build-engines-asan/fuzz-{self.target} {night.show(self.path)}"


class Result:
    def __init__(self):
        self.new, self.known, self.unconfirmed, self.crashes, self.raw = [], [], [], [], 0


def file_name(text):
    return re.sub(r"[^A-Za-z0-9+.-]", "_", text)


def conclude(night, result, confirm):
    """Fills in the result, of which as much is there as could be done when this raises OSError or ValueError."""
    night.state.parts.pop("findings", None)  # a failure of the night that is resumed
    fresh = gather(night, result)
    folder = os.path.join(night.out, "new")
    shutil.rmtree(folder, ignore_errors=True)
    until = night.began + night.seconds
    for finding in fresh:
        if confirm and time.time() < until:
            confirm_finding(night, finding)
        if finding.state == "unconfirmed":
            result.unconfirmed.append(finding)
            continue
        describe(finding)
        result.new.append(finding)
    for finding in result.new:
        keep(night, finding, folder)
    crashes(night, result, confirm)
    if confirm and result.new:
        night.logged("report", [night.tool(), "report", folder, "-o", os.path.join(night.out, "report.html")], REPORT_LIMIT)


def read_findings(night, path):
    """What epdiff known says of a file, or of those of a folder."""
    lines = os.path.join(night.room(os.path.join(night.out, "logs")), "findings.json")
    with open(lines, "wb") as output, open(night.log("known"), "ab") as log:
        argv = [night.tool(), "known", night.state.known, path, "--json"]
        ended = night.runner.run(argv, log, CONFIRM_LIMIT, cwd=night.source, output=output)
    if ended.late or ended.status not in (0, 1):
        night.state.record("findings", "failed", f"not every finding can be read: {ended.words()}")
    found = []
    with open(lines, encoding="utf-8") as file:
        for line in file:
            try:
                found.append(json.loads(line))
            except ValueError as error:  # the end of a line is not there
                night.state.record("findings", "failed", f"not every finding can be read: {night.show(path)}: {error}")
    return found


def gather(night, result):
    """What the parts found: the known ones are counted, the others come back, smallest file first."""
    folder = os.path.join(night.out, "findings-raw")
    found = {}
    for one in read_findings(night, folder) if os.path.isdir(folder) else []:
        key = one["subject"], one["signature"]
        finding = found.setdefault(key, Finding(*key))
        finding.files.append(one)
        finding.known = one["known"]
        result.raw += 1
    for finding in found.values():
        finding.files.sort(key=lambda one: (one["steps"], one["file"]))
    ordered = [found[key] for key in sorted(found)]
    result.known = [finding for finding in ordered if finding.known]
    return [finding for finding in ordered if not finding.known]


def tool_for(night, subject, limit):
    return ["ci/vm", "--limit", str(limit)] if subject.endswith("+module") and subject in night.clean_module else [night.tool()]


def confirm_finding(night, finding):
    if finding.files[0]["parallel"]:
        # Not every run shows it, and none has to: the recorded one is proof by itself.
        finding.state = "confirmed"
        return
    for one in finding.files[:TRIES]:
        if not shows(night, finding, one["file"]):
            continue
        finding.state = "confirmed"
        finding.files.remove(one)
        finding.files.insert(0, one)
        if "shrunk to" not in one["origin"]:
            shrink(night, finding)
        return
    finding.state = "unconfirmed"


def shows(night, finding, file):
    """Whether the program shows the signature again, in fresh processes."""
    argv = [*tool_for(night, finding.subject, CONFIRM_LIMIT), "replay", file, "--subject", finding.subject]
    ended, _ = night.logged("confirm", [*argv, "--expect-signature", finding.signature], CONFIRM_LIMIT)
    return not ended.late and ended.status == 0


def shrink(night, finding):
    if finding.signature.startswith("order/") or "ci/vm" in tool_for(night, finding.subject, 1):
        finding.note = "not shrunk: epdiff shrink does not do this kind"
        return
    room = night.room(os.path.join(night.out, "shrunk", file_name(finding.subject)))
    small = os.path.join(room, file_name(finding.signature) + ".epd")
    argv = [night.tool(), "shrink", finding.files[0]["file"], "--subject", finding.subject, "-o", small]
    argv += ["--metamorphic"] if finding.signature.startswith("metamorphic/") else []
    ended, _ = night.logged("shrink", argv, SHRINK_LIMIT)
    if ended.late or ended.status != 0 or not shows(night, finding, small):
        finding.note = f"not shrunk: {ended.words()}"
        return
    finding.files[:0] = read_findings(night, small)[:1]


def describe(finding):
    one = finding.files[0]
    finding.path, finding.steps, finding.explanation = one["file"], one["steps"], one["explanation"].strip()


def keep(night, finding, folder):
    """OUT/new/SUBJECT/SIGNATURE.epd, and the recorded run beside it where there is one."""
    one = finding.files[0]
    path = os.path.join(night.room(os.path.join(folder, file_name(finding.subject))), file_name(finding.signature) + ".epd")
    shutil.copy(one["file"], path)
    finding.path = path
    history = one["file"][: -len(".epd")] + ".history"
    if os.path.exists(history):
        shutil.copy(history, finding.path[: -len(".epd")] + ".history")


# Inputs of the small targets


def crashes(night, result, confirm):
    """Each complaint of a target once, by its own words."""
    folder, told = os.path.join(night.out, "crashes"), set()
    for target in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if target == "program":
            continue  # what it finds is saved as programs
        flavour = os.path.join(night.source, "build-engines-asan", "fuzz-" + target)
        for name in sorted(os.listdir(os.path.join(folder, target))):
            path = os.path.join(folder, target, name)
            said, confirmed = "", False
            if confirm:
                ended, text = night.logged("crashes", [flavour, path], CRASH_LIMIT)
                confirmed, said = ended.late or ended.status != 0, complaint(text)
            if confirm and not confirmed:
                continue
            if (target, said) not in told or not said:
                told.add((target, said))
                result.crashes.append(Crash(target, path, said, confirmed))


def complaint(text):
    """The line that says what is wrong: the sanitizer's, or the target's own, which is the first."""
    found = re.search(r"^SUMMARY: (?!libFuzzer).*", text, re.M)
    if found:
        return found.group(0)
    noise = re.compile(r"^(INFO|Running|==|\s|#|$|SUMMARY|NOTE|.*Running \d+ inputs)")
    return next((line for line in text.splitlines() if not noise.match(line)), "")
