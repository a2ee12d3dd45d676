"""What a night knows of itself, in OUT/night.json: written behind every part, read by --resume."""
import json
import os

VERSION = 1


class State:
    """Facts of the night, and a record for each part that was begun or left out:
    result   ok, failed, left out, stopped, running
    why      of what is not ok, one line
    did      programs, executions and so on, one line
    seconds, attempts, builds"""

    FACTS = ("seed", "commit", "hours", "used", "subjects", "known", "chosen", "began", "corpus")

    def __init__(self, folder):
        self.path = os.path.join(folder, "night.json")
        self.parts, self.builds = {}, {}
        for name in self.FACTS:
            setattr(self, name, None)
        self.used = 0.0
        self.clock = None  # says `used` anew, so that a night that is killed resumes with what is left of its hours

    def save(self):
        self.used = self.clock() if self.clock else self.used
        text = json.dumps(
            {
                "version": VERSION,
                **{name: getattr(self, name) for name in self.FACTS},
                "builds": self.builds,
                "parts": self.parts,
            },
            indent=1,
        )
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(self.path + ".new", self.path)

    def load(self):
        """Raises OSError or ValueError with one line."""
        with open(self.path, encoding="utf-8") as file:
            found = json.load(file)
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise ValueError(f"{self.path} is no night of this version, expected version {VERSION}")
        for name in self.FACTS:
            setattr(self, name, found[name])
        self.parts, self.builds = found["parts"], found["builds"]

    def record(self, name, result, why="", did="", seconds=0.0):
        before = self.parts.get(name, {})
        self.parts[name] = {
            "result": result,
            "why": why,
            "did": did,
            "seconds": round(before.get("seconds", 0.0) + seconds, 1),
            "attempts": before.get("attempts", 0) + (result == "running"),
        }
        self.save()

    def is_done(self, name):
        """Whether a resumed night passes it over. What was left out has another chance: a resumed
        night may have more time."""
        return self.parts.get(name, {}).get("result") in ("ok", "failed")
