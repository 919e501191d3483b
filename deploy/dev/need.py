#!/usr/bin/env python3
"""The programs of others that the tests need: where they are, and how they come here when they are missing.

On Debian (or a child of it) and as root they are installed by apt-get; everywhere else the message says what to
install, or which URL to set instead. Installing starts no system service: for that moment, and only where the
machine has no policy of its own, /usr/sbin/policy-rc.d says no.

    need.py [postgres] [rabbitmq]      makes sure of these; both when none is named
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from procs import Trouble

OLDEST_POSTGRES = 15
POLICY = Path("/usr/sbin/policy-rc.d")
ADVICE = {
    "postgres": f"PostgreSQL {OLDEST_POSTGRES} or newer (Debian: apt-get install postgresql; elsewhere: put its bin "
                "directory into PATH or PF_POSTGRES_BIN), or set PF_TEST_POSTGRES_URL to a superuser's URL",
    "rabbitmq": "RabbitMQ 3.10 or newer (Debian: apt-get install rabbitmq-server; elsewhere: put rabbitmq-server into "
                "PATH), or set PF_TEST_AMQP_URL to the URL of a virtual host for tests",
}
PACKAGES = {"postgres": ("postgresql-15", "postgresql"), "rabbitmq": ("rabbitmq-server",)}


def postgres():
    """The directory with PostgreSQL's programs; the newest where there are several."""
    told = os.environ.get("PF_POSTGRES_BIN")
    places = [Path(told)] if told else _postgres_places()
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists() and (place / "psql").exists():
            return place
    raise Trouble(f"PostgreSQL is missing: install {ADVICE['postgres']}")


def _postgres_places():
    roots = [Path("/usr/lib/postgresql"), Path("/usr/local/lib/postgresql")]
    versions = [v for root in roots if root.is_dir() for v in root.iterdir() if v.name.isdigit()]
    fit = sorted((v for v in versions if int(v.name) >= OLDEST_POSTGRES), key=lambda v: int(v.name))
    in_path = shutil.which("postgres")
    return [v / "bin" for v in reversed(fit)] + ([Path(in_path).parent] if in_path else [])


def rabbitmq():
    """The script that becomes the node. Debian's one in PATH changes user and directory: the one behind it is taken."""
    for place in ("/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server")):
        if place and Path(place).exists():
            return Path(place)
    raise Trouble(f"RabbitMQ is missing: install {ADVICE['rabbitmq']}")


def epmd():
    """Erlang's port mapper; it is not always in PATH."""
    found = shutil.which("epmd")
    places = [Path(found)] if found else sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    if not places:
        raise Trouble(f"Erlang's epmd is missing: install {ADVICE['rabbitmq']}")
    return places[-1]


FIND = {"postgres": (postgres,), "rabbitmq": (rabbitmq, epmd)}


def ensure(kinds):
    """Finds the programs of these kinds, installs them where that is possible, or says what to do."""
    missing = [kind for kind in kinds if not _found(kind)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Trouble("missing programs; install\n" + "\n".join(f"  - {ADVICE[kind]}" for kind in missing))
    _install(missing)
    for kind in missing:
        for find in FIND[kind]:
            find()


def _found(kind):
    try:
        return all(find() for find in FIND[kind])
    except Trouble:
        return False


def _install(kinds):
    print(f"installing for {' and '.join(kinds)}: apt-get update", file=sys.stderr, flush=True)
    _apt("update")
    packages = [next((p for p in PACKAGES[kind] if _known(p)), PACKAGES[kind][-1]) for kind in kinds]
    print(f"installing: apt-get install {' '.join(packages)}", file=sys.stderr, flush=True)
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        _apt("install", "-y", "--no-install-recommends", *packages)
    finally:
        if ours:
            POLICY.unlink()


def _known(package):
    """Whether apt could install it."""
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True).stdout
    return "Candidate:" in shown and "Candidate: (none)" not in shown


def _apt(*arguments):
    done = subprocess.run(
        ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if done.returncode:
        raise Trouble(f"apt-get {' '.join(arguments)} failed:\n{done.stdout.strip()}\ninstall by hand what is missing: "
                      + "; ".join(ADVICE.values()))


if __name__ == "__main__":
    try:
        ensure(sys.argv[1:] or list(FIND))
    except Trouble as trouble:
        sys.exit(f"need: {trouble}")
