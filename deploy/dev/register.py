#!/usr/bin/env python3
"""Writes a clinic's register of invented people, as CSV, as long as wished; the same for the same seed.

    register.py ROWS [--faults PERCENT] [--seed N] [--out FILE]

With --faults each kind of fault befalls that many rows of a hundred, and FILE.json says what an import must make of the
file: {"planted": {kind: rows}, "expected": {"read", "created", ...}, "codes": {code: failed rows}}. Nothing is kept
in memory: what stands in a row follows from the seed and the row's number alone, also for rows that repeat an earlier one.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

HEADERS = ["Email", "First name", "Last name", "Phone", "Date of birth", "Notes", "MRN"]
EMAIL, FIRST, LAST, PHONE, BIRTH, NOTES, MRN = range(len(HEADERS))

FIRST_NAMES = ("Ada", "Björn", "Chloé", "Dmitri", "Élise", "Fatima", "Grace", "Hiroshi", "Inés", "Jürgen", "Kofi", "Łucja",
               "Mary-Ann", "Nguyễn", "Olu", "Priya")
LAST_NAMES = ("Lovelace", "Ångström", "O'Brien", "Müller", "García Márquez", "van der Berg", "Nakamura", "Okafor", "Smith",
              "Śliwa", "Dupont", "Ivanova", "Haddad", "Singh", "Jensen", "'t Hart")

# How each kind of fault ends: the outcome, and the code of the reason where it fails.
FAULTS = {
    "bad_email": ("failed", "invalid_value"),
    "no_last_name": ("failed", "invalid_value"),
    "no_such_day": ("failed", "invalid_value"),
    "born_tomorrow": ("failed", "invalid_value"),
    "no_phone": ("failed", "invalid_value"),
    "formula": ("failed", "formula"),
    "cell_too_few": ("failed", "ragged"),
    "cell_too_many": ("failed", "ragged"),
    "quote_closed_badly": ("failed", "quote"),
    "quote_never_closed": ("failed", "quote"),
    "zero_byte": ("failed", "zero_byte"),
    "email_of_another": ("failed", "email_taken"),
    "said_before": ("unchanged", None),
    "said_otherwise": ("skipped", None),
}
# These speak of a row before them.
REPEATING = {"email_of_another", "said_before", "said_otherwise"}
# Draws are out of so many, so that a hundredth of a percent can be asked for.
WHOLE = 10_000
MASK = (1 << 64) - 1


class Register:
    """Every row of a register, each by its number from 1."""

    def __init__(self, rows, faults=0.0, seed=1):
        self.rows, self.seed = rows, seed
        self.share = round(faults * WHOLE / 100)
        if self.share * len(FAULTS) > WHOLE:
            raise ValueError(f"{len(FAULTS)} kinds of faults: at most {100 / len(FAULTS):.1f} percent each")
        self.kinds = list(FAULTS)

    def drawn(self, row, what):
        """A number below 2^64 that looks like chance (SplitMix64)."""
        x = (self.seed * 0xD1342543DE82EF95 + row * 0x9E3779B97F4A7C15 + what * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return x ^ (x >> 31)

    def _wish(self, row):
        if not self.share:
            return None
        place = self.drawn(row, 0) % WHOLE // self.share
        return self.kinds[place] if place < len(self.kinds) else None

    def fault(self, row):
        """The kind of fault that befalls a row, or None."""
        wish = self._wish(row)
        return None if wish in REPEATING and not self.original(row) else wish

    def original(self, row):
        """A sound row before this one, which it repeats; None where there is none."""
        start = self.drawn(row, 1) % row
        return next((earlier for earlier in range(start, 0, -1) if self._wish(earlier) is None), None)

    def person(self, row):
        """The cells of a row without any fault."""
        draw = self.drawn(row, 2)
        first, last = FIRST_NAMES[draw & 15], LAST_NAMES[draw >> 4 & 15]
        phone = f"+44 20 {draw >> 8 & 8191:04d} {row % 10_000:04d}" if draw >> 21 & 3 else ""
        born = f"{1940 + (draw >> 23) % 70}-{1 + (draw >> 31) % 12:02d}-{1 + (draw >> 36) % 28:02d}"
        notes = f'"prefers mornings, ""early"" ones; row {row}"' if row % 16 == 0 else ""
        return [f"person{row}@example.org", first, last, phone, born, notes, f"MRN-{row}"]

    def cells(self, row):
        """The cells of a row as they stand in the file."""
        cells, fault = self.person(row), self.fault(row)
        match fault:
            case "bad_email":
                cells[EMAIL] = f"person{row} at example.org"
            case "no_last_name":
                cells[LAST] = " "
            case "no_such_day":
                cells[BIRTH] = "1990-02-31"
            case "born_tomorrow":
                cells[BIRTH] = "2999-01-01"
            case "no_phone":
                cells[PHONE] = "ask her sister"
            case "formula":
                cells[LAST] = '=cmd|/c!A1'
            case "cell_too_few":
                cells.pop()
            case "cell_too_many":
                cells.append("loose")
            case "quote_closed_badly":
                cells[FIRST] = '"Ada" the first'
            case "quote_never_closed":
                cells[LAST] = '"' + cells[LAST]
            case "zero_byte":
                cells[FIRST] += "\0"
            case "email_of_another":
                cells[EMAIL] = self.person(self.original(row))[EMAIL]
                cells[LAST], cells[BIRTH] = "Namesake-of-none", "1931-05-17"
            case "said_before":
                cells = self.person(self.original(row))
            case "said_otherwise":
                cells[MRN], cells[LAST] = self.person(self.original(row))[MRN], "Renamed"
        return cells

    def lines(self):
        """The file, line by line."""
        yield ",".join(HEADERS) + "\r\n"
        for row in range(1, self.rows + 1):
            yield ",".join(self.cells(row)) + "\r\n"

    def promise(self):
        """What was planted, and what an import must say of it."""
        planted = Counter(filter(None, map(self.fault, range(1, self.rows + 1)))) if self.share else Counter()
        ends, codes = Counter(), Counter()
        for kind, count in planted.items():
            end, code = FAULTS[kind]
            ends[end] += count
            if code:
                codes[code] += count
        expected = {"read": self.rows, "created": self.rows - planted.total(), "updated": 0,
                    **{end: ends[end] for end in ("unchanged", "skipped", "failed")}}
        return {"rows": self.rows, "seed": self.seed, "planted": dict(planted), "expected": expected, "codes": dict(codes)}


def write(register, path):
    """Writes the file and, beside it, what it promises; returns the promise."""
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.writelines(register.lines())
    promise = register.promise()
    Path(f"{path}.json").write_text(json.dumps(promise, indent=1))
    return promise


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int)
    parser.add_argument("--faults", type=float, default=0.0, metavar="PERCENT")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", metavar="FILE")
    told = parser.parse_args()
    try:
        register = Register(told.rows, told.faults, told.seed)
    except ValueError as wrong:
        parser.error(str(wrong))
    if told.out:
        print(json.dumps(write(register, told.out)["expected"]))
    else:
        sys.stdout.reconfigure(encoding="utf-8", newline="")
        sys.stdout.writelines(register.lines())


if __name__ == "__main__":
    main()
