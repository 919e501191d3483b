#!/usr/bin/env python3
"""`make soak`: the model of the rules on many scripts, then the whole suite again and again, each round on fresh servers, to
find what fails seldom.

    soak.py [ROUNDS]      20 unless told

A round that went well is written down in .dev/soak together with the commit, so a soak that was interrupted goes on
where it was. It stops at the first failure and keeps that round's output. Rounds raise the number of property
cases (PROPTEST_CASES), and each is one run of `make test`: far below 90 minutes. Round 0 is the model alone, a million
scripts on the domains and 5,000 on each database. The long proofs of imports, a million
rows under kill -9, are `make proof` (proof.py).
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".dev" / "soak"
BOOK = HOME / "rounds.json"
MODEL = {"PF_MODEL_PURE": "1000000", "PF_MODEL_DOORS": "5000"}


def commit():
    """What is soaked; changed files make it another thing."""
    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    changed = git("status", "--porcelain")
    return git("rev-parse", "--short", "HEAD") + (f"+{crc32(git('diff', 'HEAD').encode()):x}" if changed else "")


def rounds_done(what):
    """How many rounds went well with this very code; -1 where not even the model was played."""
    try:
        book = json.loads(BOOK.read_text())
    except FileNotFoundError:
        return -1
    return book["done"] if book["commit"] == what else -1


def one_round(number):
    """Runs the suite once; its output goes to a file and its last line to the terminal."""
    log = HOME / f"round-{number}.txt"
    more = {"PROPTEST_CASES": str(256 * number)} if number else MODEL
    only = [] if number else ["reference_says"]
    began = time.monotonic()
    with open(log, "w") as out:
        run = subprocess.Popen([sys.executable, Path(__file__).with_name("test.py"), *only], env={**more, **os.environ},
                               stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            code = run.wait()
        except KeyboardInterrupt:
            run.wait()  # it got the Ctrl-C too, and puts its servers away
            raise
    last = (log.read_text().splitlines() or ["no output"])[-1]
    print(f"round {number}: {last} ({time.monotonic() - began:.0f} s)", flush=True)
    if code == 0:
        log.unlink()
    return code == 0


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    HOME.mkdir(parents=True, exist_ok=True)
    what = commit()
    for number in range(rounds_done(what) + 1, wanted + 1):
        if not one_round(number):
            print(f"its output: {(HOME / f'round-{number}.txt').relative_to(ROOT)}")
            return 1
        BOOK.write_text(json.dumps({"commit": what, "done": number}))
    print(f"{wanted} rounds went well at {what}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("soak: interrupted; the next one goes on from here")
