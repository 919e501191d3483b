"""A private PostgreSQL: its own cluster, port and password, on loopback, over TCP only.

Durability stays as in production (fsync on): a test that kills it may believe what it finds afterwards.
No unix socket: its path has a limit of 107 bytes, which a clone in a deep directory exceeds.
PostgreSQL refuses to run as root; then it runs as the user `postgres`, in a directory of that user.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import need
import procs
import state
from procs import Trouble

KIND = "postgres"
VARIABLE = "PF_TEST_POSTGRES_URL"
USER = "pf"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": 200,
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def start(directory):
    """Starts the cluster of this directory, made first where there is none. Returns its state."""
    kept = state.load(directory, KIND)
    if kept and procs.alive(kept["process"]):
        return kept
    if kept:
        return _again(directory, kept)
    made = _create(directory)
    for _ in range(5):
        if _launch(directory, made):
            return made
        made["port"] = procs.free_port()
    return _give_up(directory, "five ports were tried")


def stop(directory):
    """Ends it: fast shutdown, then immediate, then kill. The data stays."""
    kept = state.load(directory, KIND)
    if kept:
        procs.end(kept["process"], ((signal.SIGINT, 20), (signal.SIGQUIT, 5)))


def kill9(directory):
    """kill -9 of the postmaster; its children notice and end themselves."""
    kept = state.load(directory, KIND)
    if kept:
        procs.kill9(kept["process"])


def wipe(directory):
    """Removes the data of a stopped cluster."""
    kept = state.load(directory, KIND)
    if kept:
        shutil.rmtree(kept["home"], ignore_errors=True)


def running(directory):
    """Whether it answers, not only whether it is there."""
    kept = state.load(directory, KIND)
    return bool(kept) and procs.alive(kept["process"]) and _answers(kept)


def url(kept, database="postgres", user=None, password=None):
    """The URL of a database, as the superuser unless told otherwise."""
    return f"postgres://{user or USER}:{password or kept['password']}@127.0.0.1:{kept['port']}/{database}"


def psql(kept, *statements, database="postgres"):
    """Runs statements as the superuser, each in a transaction of its own; the last one's answer as text."""
    command = [need.postgres() / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
               "-p", str(kept["port"]), "-U", USER, "-d", database]
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, env={**os.environ, "PGPASSWORD": kept["password"]}, capture_output=True, text=True)
    if done.returncode:
        raise Trouble(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()


def _create(directory):
    user = _unprivileged()
    home = _home(directory, user)
    password = secrets.token_hex(16)
    secret = home / "password"
    state.write_private(secret, password)
    if user:
        shutil.chown(secret, user, user)
    done = subprocess.run(
        [need.postgres() / "initdb", "-D", home / "data", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync",
         "--auth=scram-sha-256", f"--pwfile={secret}"],
        capture_output=True, text=True, cwd=home, **({"user": user, "group": user, "extra_groups": []} if user else {}))
    secret.unlink()
    if done.returncode:
        raise Trouble(f"initdb failed in {home}:\n{done.stderr.strip()}")
    made = {"home": str(home), "user": user, "password": password, "port": procs.free_port(), "process": None}
    state.save(directory, KIND, made)
    return made


def _unprivileged():
    """The user to run as: nobody special unless we are root."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise Trouble("PostgreSQL does not run as root, and there is no user `postgres`: make one "
                      f"(useradd --system postgres), or set {VARIABLE}") from None
    return "postgres"


def _home(directory, user):
    """DIR/postgres; where that user cannot go there (a clone under a closed home), a temporary directory."""
    home = directory / "postgres"
    shutil.rmtree(home, ignore_errors=True)  # half made, when an earlier start was killed
    home.mkdir(mode=0o700)
    if not user:
        return home
    shutil.chown(home, user, user)
    reached = subprocess.run(["test", "-w", str(home)], user=user, group=user, extra_groups=[])
    if reached.returncode == 0:
        return home
    home.rmdir()
    home = Path(tempfile.mkdtemp(prefix="patient-first-postgres-"))
    shutil.chown(home, user, user)
    return home


def _launch(directory, kept):
    """Starts the server on its port and waits until it answers a query; None when it ended instead."""
    home = Path(kept["home"])
    command = [need.postgres() / "postgres", "-D", home / "data", "-p", kept["port"]]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    kept["process"] = procs.spawn(command, directory / "postgres.log", user=kept["user"], cwd=home)
    state.save(directory, KIND, kept)
    until = time.monotonic() + 60
    while procs.alive(kept["process"]) and time.monotonic() < until:
        if _answers(kept):
            return kept
        time.sleep(0.1)
    procs.end(kept["process"], ((signal.SIGQUIT, 5),))
    return None


def _again(directory, kept):
    """Starts a cluster that ran before; after a kill its last backends may need a moment to notice."""
    for _ in range(10):
        _bury(Path(kept["home"]) / "data" / "postmaster.pid")
        if _launch(directory, kept):
            return kept
        time.sleep(0.5)
    return _give_up(directory, f"port {kept['port']} may have been taken meanwhile")


def _bury(lock):
    """Lets a killed postmaster's lock file name this process instead of the dead one.

    Where nobody collects dead processes (some containers' process 1), PostgreSQL takes the zombie for a living
    postmaster. It knows its own parent for none. The rest of the file stays: by the shared memory it names
    PostgreSQL still finds backends that live, and refuses.
    """
    if lock.exists():
        _, _, rest = lock.read_text().partition("\n")
        lock.write_text(f"{os.getpid()}\n{rest}")


def _answers(kept):
    try:
        return psql(kept, "SELECT 1") == "1"
    except Trouble:
        return False


def _give_up(directory, why):
    raise Trouble(f"PostgreSQL did not start ({why}). Its log ends:\n{procs.tail(directory / 'postgres.log')}")
