"""What a proof found: measured things, and checks, each with what was wished and what was seen."""

import time


class Book:
    """The record of one proof; prints as it goes, so that a long one can be followed."""

    def __init__(self, title, sizes):
        self.title, self.began = title, time.monotonic()
        self.notes, self.wrong, self.checked = [], [], 0
        self.say(f"== {title}: {sizes}")

    def say(self, line):
        """A line of progress."""
        print(f"[{time.monotonic() - self.began:7.1f} s] {line}", flush=True)

    def note(self, what, value):
        """Something measured."""
        self.notes.append((what, value))
        self.say(f"{what}: {value}")

    def check(self, what, seen, wished):
        """Something that must be so."""
        self.checked += 1
        if seen == wished:
            return self.say(f"ok: {what}: {seen}" if len(str(seen)) < 120 else f"ok: {what}")
        self.wrong.append(f"{what}: wished {wished}, saw {seen}")
        return self.say(f"WRONG: {self.wrong[-1]}")

    def well(self):
        return not self.wrong

    def summary(self):
        """The block at the end."""
        word = "all as it must be" if self.well() else f"{len(self.wrong)} WRONG"
        lines = [f"---- {self.title}: {self.checked} checks, {word} ({time.monotonic() - self.began:.0f} s)"]
        lines += [f"  {what:<28} {value}" for what, value in self.notes]
        return "\n".join(lines + [f"  WRONG: {line}" for line in self.wrong] + ["----"])
