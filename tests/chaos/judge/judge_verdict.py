"""What a judge says about one invariant."""

SHOWN = 5


class Verdict:
    def __init__(self, name, title):
        self.name, self.title = name, title
        self.checked, self.violations, self.first, self.missing = 0, 0, [], []
        self.waiver = None

    def check(self, count=1):
        """So many events were held against the invariant."""
        self.checked += count

    def violate(self, what, **where):
        """where: actor, chat, seq, time and whatever else it takes to find the place in the history."""
        self.violations += 1
        if len(self.first) < SHOWN:
            self.first.append({"what": what, **where})

    def lack(self, what):
        """Something that the judgement needs is not in the history."""
        if what not in self.missing:
            self.missing.append(what)

    @property
    def word(self):
        if self.violations:
            return "invalid"
        if self.waiver and not self.checked:
            return "waived"
        if self.missing or not self.checked:
            return "unknown"
        return "valid"

    def as_json(self):
        return {
            "invariant": self.name,
            "title": self.title,
            "verdict": self.word,
            "checked": self.checked,
            "violations": self.violations,
            "first": self.first,
            "missing": self.missing[:SHOWN],
            "waiver": self.waiver,
        }
