"""Splits the time of a night between its parts."""


def fits(parts, seconds, cost):
    """The parts that are done with so much time, in the order of the table, which is that of
    importance: each gets its least useful time, and what has to be built for it first. cost(parts)
    is what the builds take that those parts need and that are not there yet."""
    chosen = []
    for part in parts:
        more = [*chosen, part]
        if sum(each.least for each in more) + cost(more) <= seconds:
            chosen = more
    return chosen


def shares(parts, seconds):
    """Seconds for each part by its weight, but no less than its least and no more than its most.
    What one cannot have, or need not, changes what is left for the others, so those are settled
    first, and the rest is split again."""
    given, left, seconds = {}, list(parts), float(seconds)
    while left:
        whole = sum(part.weight for part in left)
        wanted = {part.name: seconds * part.weight / whole for part in left}
        short = [part for part in left if wanted[part.name] < part.least]
        full = [part for part in left if part.most is not None and wanted[part.name] > part.most]
        # The shortage is settled first: it takes from the others, who may then be below their most.
        settled = short or full
        for part in settled:
            given[part.name] = float(part.least if short else part.most)
            seconds -= given[part.name]
            left.remove(part)
        if not settled:
            given.update(wanted)
            break
    return given
