"""What a private server remembers of itself between two calls: `DIR/<kind>.json`, readable by its owner only."""

import json
import os


def load(directory, kind):
    """The state that was saved, or None."""
    try:
        return json.loads((directory / f"{kind}.json").read_text())
    except FileNotFoundError:
        return None


def save(directory, kind, state):
    """Written beside and renamed: a reader sees the old or the new, never half."""
    write_private(directory / f"{kind}.json", json.dumps(state, indent=1))


def write_private(path, text):
    """Writes a file only its owner may read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.rename(path)
