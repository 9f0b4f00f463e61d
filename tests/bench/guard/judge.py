"""What the figures of two commits mean. No git and no valgrind in it: tests/deploy/test_guard.py."""

import collections

LIMIT = 1.10

Row = collections.namedtuple("Row", "piece before now note is_lost")


def ratio(row):
    return row.now / row.before


def accepted_pieces(now, base):
    """Of the lines of `accepted`, those that the base has not: a loss that is in the base is none any more.
    {piece: reason}"""
    known = set(base.splitlines())
    lines = [line.split(None, 2) for line in now.splitlines() if line.strip() and not line.startswith("#") and line not in known]
    return {words[1]: words[2] for words in lines if len(words) == 3}


def judge(before, now, accepted):
    """A row for each piece of either; before, now: {piece: instructions of an iteration}."""
    rows = []
    for piece in [*now, *(piece for piece in before if piece not in now)]:
        row = Row(piece, before.get(piece), now.get(piece), "", False)
        if row.before is None:
            row = row._replace(note="the base has no such piece: not compared")
        elif row.now is None:
            row = row._replace(note="there is no such piece any more: not compared")
        elif ratio(row) > LIMIT and piece in accepted:
            row = row._replace(note=f"accepted: {accepted[piece]}")
        elif ratio(row) > LIMIT:
            row = row._replace(note=f"more than {LIMIT:.2f}", is_lost=True)
        rows.append(row)
    return rows
