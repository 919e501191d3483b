#!/usr/bin/env python3
"""Keeps the rooms apart: what may not be said in which room of a service. Comments and texts in quotes do not count.

A service is a pure domain with rooms around it (docs/architecture.md). The compiler does not stop a handler
from talking to the broker; this table does. A line that breaks it has the wrong home: move it, do not excuse it.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CRATES = {name: rf"\b{name}\b" for name in ("sqlx", "axum", "lapin", "tokio", "domain")}
PURE = {
    **{name: CRATES[name] for name in ("sqlx", "axum", "lapin", "tokio")},
    "async": r"\basync\b",
    "now(": r"\bnow(_v7|_utc)?\s*\(",
    "env": r"\benv\s*(::|!)",
}

# The room, where it is, and what it never says.
ROOMS = [
    ("domain", ("*-service/src/domain.rs", "*-service/src/domain/**/*.rs"), PURE),
    ("http", ("*-service/src/http.rs", "*-service/src/http/**/*.rs"), ("sqlx", "lapin")),
    ("store", ("*-service/src/store.rs", "*-service/src/store/**/*.rs"), ("axum", "lapin")),
    ("consumers", ("*-service/src/consumers.rs", "*-service/src/consumers/**/*.rs"), ("axum", "lapin")),
    ("relay", ("*/src/relay.rs", "*/src/relay/**/*.rs"), ("axum", "domain")),
    ("shared-events", ("shared-events/src/**/*.rs",), ("sqlx", "axum", "lapin", "tokio")),
]

# Who may name the broker's library at all: the bus, and the bench, which measures it beside ours.
BROKER_HOMES = ("shared-runtime/src/bus", "bench")

# Comments and literals, the longest first; a lifetime ('a) is none of them.
SILENT = re.compile(
    r"//[^\n]*"
    r"|/\*.*?\*/"
    r'|b?r(?P<fence>#*)".*?"(?P=fence)'
    r'|b?"(?:\\.|[^"\\])*"'
    r"|b?'(?:\\.[^']*|[^'\\])'",
    re.DOTALL)


def spoken(source):
    """The code alone: comments and literals become blanks, lines stay where they are."""
    return SILENT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)


def violations(root):
    """All of them, as `path:line: the room never says word`."""
    found = []
    for room, globs, words in ROOMS:
        patterns = words if isinstance(words, dict) else {word: CRATES[word] for word in words}
        for path in sorted({p for glob in globs for p in root.glob(glob)}):
            found += _said(root, path, patterns, f"the room `{room}`")
    for path in sorted(root.glob("*/src/**/*.rs")):
        if not path.relative_to(root).as_posix().startswith(BROKER_HOMES):
            found += _said(root, path, {"lapin": CRATES["lapin"]}, "a file outside shared-runtime/src/bus")
    return found


def _said(root, path, patterns, who):
    lines = spoken(path.read_text()).splitlines()
    return [f"{path.relative_to(root)}:{number}: {who} never says `{word}`"
            for number, line in enumerate(lines, 1) for word, pattern in patterns.items() if re.search(pattern, line)]


def main():
    found = violations(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
    print("\n".join(found) if found else "rooms: every word is in its room")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
