"""The product on each of its doors, to be killed and looked into: `patient-first` on SQLite, the services on PostgreSQL.

Both sides answer the same: which processes there are, where a service listens, what a query to its database says.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import cluster
import postgres
import procs
import state
from procs import Trouble

WORLDS = cluster.ROOT / ".dev"
# The services, by the name of their databases.
PATIENTS, INVITES = "patients", "invites"


class Door:
    """What both doors have in common."""

    def __init__(self, word):
        self.world = WORLDS / f"proof-{word}-{os.getpid()}"
        self.memory = Memory(self)

    def __enter__(self):
        os.environ.setdefault("PF_LOG", "warn")
        # A proof invites one by one as many as no clinic's staff would.
        os.environ.setdefault("PF_INVITES_PER_HOUR", "1000000")
        self.world.mkdir(parents=True)
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        self.memory.start()
        return self

    def __exit__(self, *failure):
        self.memory.stop()
        self.down()
        if failure[0] is None:
            shutil.rmtree(self.world, ignore_errors=True)
        else:
            print(f"the logs are in {self.world}", flush=True)

    def number(self, service, sql):
        """The one number that a query says."""
        return int(self.query(service, sql)[0][0] or 0)

    def _token(self, account, *where):
        made = subprocess.run([cluster.BINARIES / "patient-first", "token", *where, "--account", account],
                              capture_output=True, text=True)
        if made.returncode:
            raise Trouble(f"no token: {made.stderr.strip()}")
        return made.stdout.strip()


class Embedded(Door):
    """Everything in one process, on SQLite."""

    word, processes = "sqlite", ("patient-first",)

    def __init__(self):
        super().__init__(self.word)
        self.data, self.process, self.listen = self.world / "data", None, None

    def up(self):
        self.listen = f"127.0.0.1:{procs.free_port()}"
        self.start("patient-first")

    def down(self):
        procs.end(self.process)

    def carrier(self):
        """The process that carries imports out."""
        return "patient-first"

    def start(self, _name):
        log = self.world / "patient-first.log"
        command = [cluster.BINARIES / "patient-first", "serve", "--data-dir", self.data, "--listen", self.listen]
        self.process = procs.spawn(command, log, cwd=self.world)
        until = time.monotonic() + 60
        while procs.alive(self.process) and time.monotonic() < until:
            try:
                return urllib.request.urlopen(f"http://{self.listen}/readyz", timeout=2).close()
            except OSError:
                time.sleep(0.05)
        raise Trouble(f"patient-first does not answer; its log ends:\n{procs.tail(log)}")

    def kill(self, _name):
        procs.kill9(self.process)

    def pid(self, _name):
        return self.process["pid"] if self.process else None

    def at(self, _service):
        return self.listen

    def token(self, account="demo"):
        return self._token(account, "--data-dir", self.data)

    def query(self, service, sql):
        """Rows of a service's database; ids as hex by `hex_of`."""
        with sqlite3.connect(self.data / f"{service}.db", timeout=60) as database:
            return database.execute(sql).fetchall()

    @staticmethod
    def hex_of(column):
        return f"lower(hex({column}))"


class Services(Door):
    """Each service a process, with PostgreSQL and RabbitMQ."""

    word, processes = "postgres", tuple(cluster.SERVICES)

    def __init__(self):
        super().__init__(self.word)
        cluster.live_in(self.world)

    def up(self):
        cluster.raise_all(watched=os.getpid())

    def down(self):
        for service in cluster.SERVICES:
            procs.end((state.load(self.world, service) or {}).get("process"), ((signal.SIGTERM, 20),))
        cluster.servers.stop(self.world)
        for server in cluster.servers.SERVERS.values():
            server.wipe(self.world)

    def carrier(self):
        return "patients-service"

    def start(self, name):
        cluster.start(name)

    def kill(self, name):
        procs.kill9(state.load(self.world, name)["process"])

    def pid(self, name):
        return ((state.load(self.world, name) or {}).get("process") or {}).get("pid")

    def at(self, service):
        return state.load(self.world, f"{service}-service")["listen"]

    def token(self, account="demo"):
        return self._token(account, "--secrets-dir", self.world / "secrets")

    def query(self, service, sql):
        said = postgres.psql(state.load(self.world, "postgres"), sql, database=service)
        return [line.split("|") for line in said.splitlines()]

    @staticmethod
    def hex_of(column):
        return f"replace({column}::text, '-', '')"


DOORS = {door.word: door for door in (Embedded, Services)}


class Memory:
    """Watches how much memory each process takes, through all of its lives."""

    def __init__(self, door):
        self.door, self.ended = door, threading.Event()
        self.peaks = {}
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def start(self):
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join()

    def _watch(self):
        while not self.ended.wait(0.2):
            for name in self.door.processes:
                self.peaks[name] = max(self.peaks.get(name, 0), peak(self.door.pid(name)))

    def told(self):
        """The peaks, for a person."""
        return ", ".join(f"{name} {kib / 1024:.0f} MiB" for name, kib in sorted(self.peaks.items()))


def peak(pid):
    """The most memory a process ever had resident, in KiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
