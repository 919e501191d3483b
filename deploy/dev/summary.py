#!/usr/bin/env python3
"""Counts what `cargo test` printed: how many tests ran on which door, what failed, what was ignored.

    cargo test 2>&1 | summary.py [--filtered]

The output passes through as it comes. A test belongs to a door when its path has the door's name as a module
(`postgres::append_is_dense`); one that has two belongs to both. The last line alone is `N passed, N failed`.
It ends with 1 when a test failed, none ran, or a door had none (unless --filtered). The build's and cargo's own failures count as failed.
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass, field

DOORS = ("postgres", "sqlite", "rabbitmq", "embedded")
NO_DOOR, UNREADABLE = "no door", "unreadable"
OUTCOMES = {"ok": "passed", "FAILED": "failed", "ignored": "ignored"}

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
BINARY = re.compile(r"^\s+Running (?:unittests )?\S+ \((?P<path>.+)\)$")
DOCTEST = re.compile(r"^\s+Doc-tests (?P<crate>\S+)$")
TEST = re.compile(r"^test (?P<name>.+?) \.\.\. (?P<rest>.*)$")
OUTCOME = re.compile(r"(?P<word>ok|FAILED|ignored)(?:, (?P<reason>.*))?(?: <[\d.]+s>)?$")
RESULT = re.compile(r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<ignored>\d+) ignored;")
DIED = re.compile(r"^\s*process didn't exit successfully: |^error: (?:\d+ targets? failed|test failed|doctest failed)")


@dataclass
class Test:
    """One test that was named in the output."""

    binary: str
    name: str
    outcome: str
    reason: str = ""

    def doors(self):
        """Where it is counted."""
        modules = re.split(r"::|\s", self.name)[:-1]
        return [door for door in DOORS if door in modules] or [NO_DOOR]


@dataclass
class Tally:
    """Fed with the output line by line."""

    tests: list = field(default_factory=list)
    totals: Counter = field(default_factory=Counter)
    broken: list = field(default_factory=list)
    _binary: str = "?"
    _open: bool = False
    _pending: str | None = None

    def feed(self, line):
        """Takes one line of cargo's output."""
        line = COLOUR.sub("", line.rstrip("\r\n"))
        if binary := BINARY.match(line) or DOCTEST.match(line):
            self._begin(binary.groupdict())
        elif result := RESULT.match(line):
            self.totals.update({outcome: int(n) for outcome, n in result.groupdict().items()})
            self._open, self._pending = False, None
        elif test := TEST.match(line):
            self._test(test["name"], test["rest"])
        elif self._pending and (late := OUTCOME.search(line)):
            self._add(self._pending, late)
        elif DIED.match(line) and self._open:
            self.broken.append(f"{self._binary} (ended without a result)")
            self._open = False

    def _begin(self, names):
        path = names.get("path")
        self._binary = re.sub(r"-[0-9a-f]{16}$", "", path.rpartition("/")[2]) if path else f"{names['crate']} (docs)"
        self._open, self._pending = True, None

    def _test(self, name, rest):
        if outcome := OUTCOME.search(rest):
            self._add(name, outcome)
        else:
            self._pending = name

    def _add(self, name, outcome):
        self.tests.append(Test(self._binary, name, OUTCOMES[outcome["word"]], outcome["reason"] or ""))
        self._pending = None

    def ended(self, code, what="cargo test"):
        """What cargo answered: a failure that no test explains counts as one."""
        if code and not self.broken and not self.totals["failed"]:
            self.broken.append(f"{what} (exit code {code})")

    def rows(self):
        """Counts by door; what output of tests made unreadable is counted too, in a row of its own."""
        rows = {door: Counter() for door in (*DOORS, NO_DOOR)}
        for test in self.tests:
            for door in test.doors():
                rows[door][test.outcome] += 1
        seen = Counter(test.outcome for test in self.tests)
        unreadable = Counter({outcome: self.totals[outcome] - seen[outcome] for outcome in OUTCOMES.values()})
        if +unreadable:
            rows[UNREADABLE] = +unreadable
        return rows


def report(tally, tools=None, filtered=False):
    """The closing lines, and whether all is well. `tools` counts the tests of these scripts."""
    rows = tally.rows()
    if tools:
        rows["tools"] = tools
    complaints = [] if filtered else [f"no test ran on {door}" for door in DOORS if not _ran(rows[door])]
    failed = [f"{test.binary}: {test.name}" for test in tally.tests if test.outcome == "failed"] + tally.broken
    ignored = [test for test in tally.tests if test.outcome == "ignored"]
    total = tally.totals + (tools or Counter())
    total["failed"] += len(tally.broken)
    if not _ran(total):
        complaints.append("no test ran")
    lines = [""]
    lines += [f"ignored: {t.binary}: {t.name}" + (f" ({t.reason})" if t.reason else "") for t in ignored]
    lines += [f"failed: {name}" for name in failed]
    lines += [f"{'door':12}{'passed':>8}{'failed':>8}{'ignored':>9}"]
    lines += [f"{door:12}{n['passed']:>8}{n['failed']:>8}{n['ignored']:>9}" for door, n in rows.items()]
    lines += [f"wrong: {complaint}" for complaint in complaints]
    lines += [f"{total['passed']} passed, {total['failed']} failed"]
    return lines, not complaints and not total["failed"]


def _ran(counts):
    return counts["passed"] + counts["failed"]


def main():
    tally = Tally()
    for line in sys.stdin:
        sys.stdout.write(line)
        sys.stdout.flush()
        tally.feed(line)
    lines, well = report(tally, filtered="--filtered" in sys.argv)
    print("\n".join(lines))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
