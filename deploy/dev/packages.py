#!/usr/bin/env python3
"""Licences, bans and sources of everything that is linked, by the rules of deny.toml, with cargo alone.

`cargo deny` does this and more, but building it takes longer than building us. What it alone can do (the advisories)
is described in CONTRIBUTING.md. This reads the same file, so there is one list of rules.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARGO = os.environ.get("CARGO", "cargo")
WORD = re.compile(r"\(|\)|[^\s()]+")


def allowed(expression, licences):
    """Whether an SPDX expression can be met with these licences. `A/B` is the old way to write `A OR B`."""
    words = WORD.findall(expression.replace("/", " OR "))

    def one():
        word = words.pop(0)
        if word == "(":
            inside = either()
            words.pop(0)
            return inside
        if words[:1] == ["WITH"]:
            word = f"{word} WITH {words[1]}"
            del words[:2]
        return word in licences

    def both():
        value = one()
        while words[:1] == ["AND"]:
            words.pop(0)
            value = one() and value
        return value

    def either():
        value = both()
        while words[:1] == ["OR"]:
            words.pop(0)
            value = both() or value
        return value

    return either()


def complaints(rules, packages, lock):
    """What breaks the rules. `packages` are (name, licence or "", ours), `lock` is Cargo.lock, parsed."""
    licences = set(rules["licenses"]["allow"])
    banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}
    registries = {f"registry+{url}" for url in rules["sources"]["allow-registry"]}
    found = []
    for name, licence, ours in packages:
        if name in banned:
            found.append(f"{name} is banned: {banned[name]}")
        if not ours and not (licence and allowed(licence, licences)):
            found.append(f"{name}: the licence `{licence or 'none'}` is not among those of deny.toml")
    for package in lock["package"]:
        if package.get("source", next(iter(registries))) not in registries:
            found.append(f"{package['name']} comes from {package['source']}: not among the sources of deny.toml")
    return found


def linked():
    """All packages that take part in a build on this machine, with their licences."""
    told = subprocess.run(
        [CARGO, "tree", "--workspace", "--locked", "--prefix", "none", "--no-dedupe", "-e", "normal,build,dev",
         "--format", "{p}|{l}"], cwd=ROOT, capture_output=True, text=True)
    if told.returncode:
        sys.exit(f"packages: cargo tree failed:\n{told.stderr.strip()}")
    lines = sorted({line for line in told.stdout.splitlines() if line})
    split = [line.partition("|") for line in lines]
    return [(package.split()[0], licence, f"({ROOT}" in package) for package, _, licence in split]


def main():
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    packages = linked()
    found = complaints(rules, packages, tomllib.loads((ROOT / "Cargo.lock").read_text()))
    print("\n".join(found) if found else f"packages: {len(packages)}, each from an allowed source under an allowed licence")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
