#!/usr/bin/env python3
"""Looks at the files git tracks: no path of somebody's machine, no trailing blanks, no file grown too long.

Paths and blanks are errors. A file over 400 lines is a hint: it probably wants to be two.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONG = 400
SOURCES = {".rs", ".py", ".ts", ".tsx", ".sh"}
# Data keeps the blanks it came with; licences and lock files are not ours to tidy.
AS_IT_IS = {".csv", ".eml", ".lock", ".patch", ".snap", ".svg"}
HOME_OR_WORK = re.compile(r"(?<![\w./:-])/(?:home/[a-z]|Users/[A-Za-z]|root/|work/[a-z])")
BLANKS = re.compile(r"[ \t]+$")


def tracked(root):
    """The files git knows, those not yet committed included."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=root, capture_output=True, text=True, check=True).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def look(path, shown):
    """Errors and hints about one file."""
    raw = path.read_bytes()
    if b"\0" in raw:
        return [], []
    lines = raw.decode(errors="replace").split("\n")
    errors = [f"{shown}:{n}: a path of one machine" for n, line in enumerate(lines, 1) if HOME_OR_WORK.search(line)]
    if path.suffix not in AS_IT_IS:
        errors += [f"{shown}:{n}: trailing blanks" for n, line in enumerate(lines, 1) if BLANKS.search(line)]
    long = path.suffix in SOURCES and len(lines) > LONG and "generated" not in lines[0]
    return errors, [f"hint: {shown} has {len(lines)} lines (over {LONG})"] if long else []


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    errors, hints = [], []
    for path in tracked(root):
        wrong, long = look(path, path.relative_to(root))
        errors, hints = errors + wrong, hints + long
    print("\n".join(hints + errors) if hints or errors else "tree: tidy")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
