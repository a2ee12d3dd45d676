"""What a night leaves for people and for continuous integrations: summary.md and junit.xml."""
import os
import xml.etree.ElementTree as tree

SHOWN_MAX = 12  # findings that are told in full, for it is to be one page


def failed(night):
    return [name for name, record in night.state.parts.items() if record["result"] == "failed"]


def verdict(night, result):
    """One line."""
    if night.invalid:
        return f"INVALID NIGHT: {night.invalid}"
    words = []
    if result.new:
        words.append(f"{len(result.new)} new finding{'s'[:len(result.new) > 1]}")
    if result.crashes:
        words.append(f"{len(result.crashes)} crashing input{'s'[:len(result.crashes) > 1]}")
    if failed(night):
        words.append("failed: " + ", ".join(failed(night)))
    if night.stopped_by:
        words.append(f"stopped by {night.stopped_by}; ci/nightly --resume {night.show(night.out)} goes on")
    return ("; ".join(words) or "nothing new")[0:1].upper() + ("; ".join(words) or "nothing new")[1:]


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def code(text):
    return "`" + str(text).replace("`", "'").replace("\n", " ") + "`"


def part_lines(night):
    yield "| part | seconds | result | what it did |"
    yield "|---|---|---|---|"
    for name in ("canary", *(part.name for part in night.table), "findings"):
        record = night.state.parts.get(name)
        if record is None:
            if night.state.chosen is not None and name not in night.state.chosen or name == "findings":
                continue
            record = {"result": "not reached", "seconds": 0.0, "why": "", "did": ""}
        said = "; ".join(text for text in (record["why"], record["did"]) if text)
        yield f"| {name} | {record['seconds']:.0f} | {record['result']} | {cell(said)} |"


def kind(finding):
    """What findings of one cause mostly have in common: subject, class and hazard."""
    return finding.subject, finding.signature.rpartition("/")[0]


def told(findings):
    """One of each kind, as many as fit."""
    smallest = {}
    for finding in findings:
        if kind(finding) not in smallest or finding.steps < smallest[kind(finding)].steps:
            smallest[kind(finding)] = finding
    return list(smallest.values())[:SHOWN_MAX]


def finding_lines(night, result):
    shown = told(result.new)
    for finding in shown:
        note = f" ({finding.note})" if finding.note else ""
        yield f"* {code(finding.subject)} {code(finding.signature)}, {finding.steps} steps, {finding.state}{note}  "
        first = finding.explanation.split("\n")[0]
        if first:
            yield f"  {cell(first)}  "
        yield f"  {code(finding.command(night.show(finding.path)))}"
    if len(result.new) > len(shown):
        yield f"* and {len(result.new) - len(shown)} more, of these kinds or of others: {code('new/')}, {code('report.html')}"


def markdown(night, result):
    """The lines of the page."""
    lines = [f"# {cell(verdict(night, result))}", ""]
    lines += [
        f"Began {night.state.began}, commit {code(night.state.commit)}, seed {night.state.seed}, "
        f"{night.state.used / 3600:.2f} of {night.state.hours:.2f} h, {night.cpus} CPUs.",
        f"Clean subjects: {', '.join(map(code, night.clean)) or 'none'}"
        + (f"; in the virtual machine: {', '.join(map(code, night.clean_module))}." if night.clean_module else "."),
        f"Known list: {code(night.show(night.state.known))}.",
        "",
        f"## New findings: {len(result.new)}",
        "",
        *finding_lines(night, result),
        "",
        f"Known, by the list: {len(result.known)}. Not confirmed, the signature did not come again: {len(result.unconfirmed)}. "
        f"Files before sorting: {result.raw}.",
        "",
    ]
    if result.crashes:
        lines += [f"## Crashing inputs of the small targets: {len(result.crashes)}", ""]
        for crash in result.crashes[:SHOWN_MAX]:
            state = "confirmed" if crash.confirmed else "unchecked"
            lines += [f"* {crash.target}, {state}: {cell(crash.said)}  ", f"  {code(crash.command(night))}"]
        lines.append("")
    lines += ["## Parts", "", *part_lines(night), ""]
    built = ", ".join(
        f"{name} {record['seconds']:.0f} s{' (' + record['why'] + ')' if record['why'] else ''}"
        for name, record in night.state.builds.items()
    )
    return [*lines, f"Builds: {cell(built) or 'none'}. Logs: {code('logs/')}.", ""]


def write_markdown(night, page):
    with open(os.path.join(night.out, "summary.md"), "w", encoding="utf-8", errors="replace") as file:
        file.write(page)


def plain(text):
    """Without what XML cannot hold."""
    return "".join(c for c in str(text) if c in "\t\n" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE)


def write_junit(night, result):
    cases = []

    def add(group, name, kind=None, message="", text=""):
        case = tree.Element("testcase", {"classname": plain(group), "name": plain(name)})
        if kind:
            tree.SubElement(case, kind, {"message": plain(message)}).text = plain(text)
        elif text:
            tree.SubElement(case, "system-out").text = plain(text)
        cases.append(case)

    for name, record in night.state.parts.items():
        if record["result"] == "ok":
            add("night", name, text=record["did"])
        elif record["result"] == "failed":
            add("night", name, "failure", record["why"], record["did"])
        else:
            add("night", name, "skipped", f"{record['result']}: {record['why']}")
    if night.invalid and not failed(night):
        add("night", "validity", "failure", night.invalid)
    for finding in result.new:
        add(finding.subject, finding.signature, "failure", finding.state, f"{finding.explanation}\n{finding.command(night.show(finding.path))}")
    for crash in result.crashes:
        add("fuzz-" + crash.target, os.path.basename(crash.path), "failure", crash.said, crash.command(night))
    for finding in result.known:
        add(finding.subject, finding.signature, text="known: listed in " + night.show(night.state.known))
    suite = tree.Element(
        "testsuite",
        {
            "name": "epdiff night",
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        },
    )
    suite.extend(cases)
    tree.indent(suite)
    with open(os.path.join(night.out, "junit.xml"), "wb") as file:
        file.write(b'<?xml version="1.0" encoding="UTF-8"?>\n')
        file.write(tree.tostring(suite, encoding="utf-8", xml_declaration=False))
        file.write(b"\n")
