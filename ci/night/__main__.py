"""What ci/nightly starts when the set-up is done. docs/nightly.md."""
import os
import sys

sys.dont_write_bytecode = True

import options  # noqa: E402
import parts  # noqa: E402
from night import Night  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def main(arguments):
    chosen = options.read(arguments, SOURCE, parts.TABLE)
    if chosen.list:
        for part in parts.TABLE:
            print(f"{part.name:<12} weight {part.weight:>2}, at least {part.least} s: {part.title}")
        return 0
    if chosen.check:
        return 0
    os.environ["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        night = Night(chosen, SOURCE, parts.TABLE, parts.BUILDS, lambda text: print(text, flush=True))
    except (OSError, ValueError) as error:
        print(f"ci/nightly: {error}", file=sys.stderr)
        return 2
    return night.run()


sys.exit(main(sys.argv[1:]))
