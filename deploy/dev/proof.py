#!/usr/bin/env python3
"""`make proof`: the long proofs of imports, on the real thing, with kill -9.

    proof.py import  [--rows 1000000] [--kills 3]     every row has exactly its outcome, whatever is killed meanwhile
    proof.py invited [--patients 10000] [--kills 10]  everyone whom an import invites has exactly one invite
    proof.py undo    [--patients 2000]                what was invited stays, the rest is archived
    proof.py correct [--rows 2000]                    what failed can be downloaded, corrected and sent again
    proof.py all                                      each of them, small

    --door sqlite|postgres    only this door; both unless told
    --seed N                  another register, other moments

Each door is a world of its own in .dev, removed at the end; after a failure it stays, to look into. The binaries are
those of `cargo build --release`. Ends with 1 where anything is not exactly as it must be.
"""

import argparse
import os
import signal
import sys
import time

from book import Book
from client import Refused
from doors import DOORS
from procs import Trouble
from proof_import import whole
from proof_jobs import correct, invited, undo

PARTS = {"import": whole, "invited": invited, "undo": undo, "correct": correct}
# For `all`: each part within a minute or so.
SMALL = {"rows": 10_000, "patients": 3_000, "kills": 3}
USUAL = {"import": {"rows": 1_000_000, "kills": 3}, "invited": {"patients": 10_000, "kills": 10},
         "undo": {"patients": 2_000}, "correct": {"rows": 2_000}}


def told():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "all"])
    for name in ("rows", "patients", "kills"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--door", choices=list(DOORS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def sizes(part, words):
    """How large a part is to be."""
    usual = SMALL if words.part == "all" else USUAL[part]
    said = {name: getattr(words, name) for name in ("rows", "patients", "kills")}
    return {**usual, **{name: value for name, value in said.items() if value is not None}}


def main():
    words = told()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    books = []
    for part in PARTS if words.part == "all" else [words.part]:
        for door in [words.door] if words.door else DOORS:
            size = sizes(part, words)
            book = Book(f"{part} on {door}", ", ".join(f"{v:,} {k}" for k, v in size.items()) + f", seed {words.seed}")
            books.append(book)
            with DOORS[door]() as world:
                PARTS[part](world, book, seed=words.seed, **size)
                book.note("memory at most", world.memory.told())
            print(book.summary(), flush=True)
    return 0 if all(book.well() for book in books) else 1


if __name__ == "__main__":
    try:
        os.environ.setdefault("PYTHONUNBUFFERED", "1")
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("proof: interrupted; everything it started was ended")
    except (Trouble, Refused) as trouble:
        sys.exit(f"proof: {trouble}")
