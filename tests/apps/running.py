"""One run of a program or load under a subject, from its room to what is left when that is gone."""
import os
import sys
import time
import traceback

from harness import Failure, Room, Unusable

VALUE_MAX = 200  # characters of a value that are told


class Run:
    """What one run of a program under one subject gave: its facts, what was wrong, and evidence."""

    def __init__(self, program, subject, options, only=None):
        stumbled = []
        began = time.monotonic()
        room = Room(program, subject, options)
        try:
            program.play(room) if only is None else program.play(room, only)
        except Failure as failure:
            # What a client says of a server that has died says little about why.
            room.faults[:0] = [*room.deaths(), str(failure)]
        except Unusable:
            raise
        except Exception as error:
            # A server that does not answer, or answers nonsense, makes a script stumble.
            room.faults[:0] = [*room.deaths(), f"{type(error).__name__}: {error}"]
            place = traceback.extract_tb(error.__traceback__)[-1]
            stumbled = [f"script: {place.filename}:{place.lineno} in {place.name}: {place.line}"]
        finally:
            room.end_processes()
            self.facts, self.faults, self.summary = room.facts, room.faults, room.summary
            self.evidence = list(room.evidence()) + stumbled
            self.counts, self.measured = room.counts(), room.measured
            if options.keep and self.faults:
                room.keep(os.path.join(options.keep, f"{program.name}.{subject.file_name()}"))
            room.remove()
        self.seconds = time.monotonic() - began


def shorten(value):
    text = str(value).replace("\n", " ")
    return text if len(text) <= VALUE_MAX else text[:VALUE_MAX] + "..."


def tell_evidence(run):
    for line in run.evidence:
        print(f"     | {line}", file=sys.stderr, flush=True)
