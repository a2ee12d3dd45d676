"""The options of ci/nightly, checked before anything is built."""
import argparse
import datetime
import os
import re

DESCRIPTION = """A night of testing, unattended: builds every flavour, and splits the hours between fuzzing, enumeration,
both engines, the model, the virtual machine, sanitizers and real programs. Writes OUT/summary.md, OUT/report.html,
OUT/junit.xml, and each new finding as OUT/new/SUBJECT/SIGNATURE.epd. docs/nightly.md is the manual."""
EPILOG = """exit status: 0 nothing new; 1 a new finding, or a part that failed; 2 bad usage or a malformed list; 3 the night
is invalid: the canary was not caught, or the set-up or the build failed; 130, 143, 129 ended by SIGINT, SIGTERM,
SIGHUP, with nothing new until then"""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"ci/nightly: {message}; ci/nightly -h is the manual\n")


def hours(text):
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 720:
        raise argparse.ArgumentTypeError(f"'{text}' is no time, expected hours from 0.001 to 720")
    return value


def seed(text):
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no seed, expected up to 12 digits")
    return int(text)


def existing(text):
    if not os.access(text, os.R_OK) or os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"'{text}' cannot be read, expected a file")
    return os.path.abspath(text)


def subject(text):
    if not re.fullmatch(r"native|model|shim:[a-z]+(\+[a-z]+)?|preload:\S+", text):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no subject, expected shim:POLICY, shim:POLICY+BACKEND or preload:PATH"
        )
    if text.startswith("preload:"):
        return "preload:" + os.path.abspath(text[len("preload:") :])
    return text


def read(arguments, source, table):
    """The options, with absolute paths. `table` names the parts."""
    parser = Parser(
        prog="ci/nightly",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--hours", type=hours, metavar="H", help="how long, set-up and builds counted in (default 8)")
    parser.add_argument("--out", metavar="DIR", type=os.path.abspath, help="where it all goes (default nights/DATE-TIME)")
    parser.add_argument(
        "--subject",
        metavar="S",
        type=subject,
        action="append",
        help="test S in place of the clean subjects, on each backend that this machine has unless S names one; "
        "can be repeated (default shim:transparent)",
    )
    parser.add_argument("--known", metavar="FILE", type=existing, help="the known list (default corpus/known.txt)")
    parser.add_argument(
        "--corpus", metavar="DIR", type=os.path.abspath, help="where the engines' corpora are kept (default OUT/corpus)"
    )
    parser.add_argument("--seed", metavar="N", type=seed, help="the seed (default: the date)")
    parser.add_argument("--parts", metavar="P,P", help="only these parts, and the canary; --list names them")
    parser.add_argument(
        "--resume", metavar="DIR", type=os.path.abspath, help="go on with the stopped night in DIR, with its own options"
    )
    parser.add_argument("--list", action="store_true", help="print the parts, and end")
    parser.add_argument("--since", type=float, help=argparse.SUPPRESS)  # ci/nightly: when it began
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)  # only that they can be used
    options = parser.parse_args(arguments)
    if options.resume:
        for name in ("out", "subject", "known", "seed", "parts", "corpus"):
            if getattr(options, name) is not None:
                parser.error(f"--resume goes on with the night's own options, expected no --{name}")
        if not os.path.isfile(os.path.join(options.resume, "night.json")):
            parser.error(f"--resume '{options.resume}' holds no night, expected a folder with night.json")
    names = [part.name for part in table]
    options.chosen = None
    if options.parts is not None:
        options.chosen = [name for name in options.parts.split(",") if name]
        for name in options.chosen:
            if name not in [*names, "canary"]:
                parser.error(f"--parts '{name}' is unknown, expected some of {', '.join(names)}")
    now = datetime.datetime.now()
    if not options.resume:
        options.hours = options.hours or 8.0
        options.out = options.out or os.path.join(source, "nights", now.strftime("%Y-%m-%d-%H%M%S"))
        options.known = options.known or os.path.join(source, "corpus", "known.txt")
        options.seed = int(now.strftime("%Y%m%d")) if options.seed is None else options.seed
        options.subject = options.subject or ["shim:transparent"]
        if os.path.exists(os.path.join(options.out, "night.json")):
            parser.error(f"--out '{options.out}' holds a night already, expected --resume or another folder")
    return options
