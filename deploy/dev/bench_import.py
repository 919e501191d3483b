"""How fast a register is imported, beside PostgreSQL's own COPY of exactly the rows that the import leaves."""

import os
import statistics
import time
import uuid

import doors
import postgres
import procs
import state
from client import Client
from procs import Trouble
from register import Register, write

ROWS = int(os.environ.get("BENCH_IMPORT_ROWS", 200_000))
# What an import leaves beside its own book-keeping.
TABLES = ("events", "patients", "claims")


class Place:
    """Where the one service is, as a client asks for it."""

    def __init__(self, listen):
        self.listen = listen

    def at(self, _service):
        return self.listen


def once(service, world):
    """One import on empty databases, then the same rows by COPY."""
    path = world / "register.csv"
    if not path.exists():
        write(Register(ROWS), path)
    with service as (listen, token, _, process):
        client = Client(Place(listen), "patients-service", token)
        began = time.monotonic()
        first = client.send(path, str(uuid.uuid4()))
        taken = time.monotonic()
        while (told := client.ask("GET", f"/api/imports/{first}"))["state"] == "running":
            time.sleep(0.1)
        done = time.monotonic()
        if told["created"] != ROWS:
            raise Trouble(f"{told['created']} of {ROWS} were created: {told.get('failure')}")
        peak = doors.peak(process["pid"]) / 1024
        procs.end(process)
    return {"ours": ROWS / (done - taken), "with_upload": ROWS / (done - began), "limit": ROWS / copied(world), "peak_mib": peak}


def copied(world):
    """Seconds in which COPY loads the rows, in one transaction, into tables with the same indexes and triggers."""
    server = state.load(world, "postgres")
    file = lambda table: world / f"{table}.copy"
    postgres.psql(server, *(f"\\copy {table} to '{file(table)}'" for table in TABLES), database="bench")
    postgres.psql(server, "DROP DATABASE IF EXISTS bench_copy WITH (FORCE)", "CREATE DATABASE bench_copy TEMPLATE bench")
    postgres.psql(server, f"TRUNCATE {', '.join(TABLES)}", "CHECKPOINT", database="bench_copy")
    began = time.monotonic()
    postgres.psql(server, "BEGIN", *(f"\\copy {table} from '{file(table)}'" for table in TABLES), "COMMIT", database="bench_copy")
    took = time.monotonic() - began
    loaded = int(postgres.psql(server, "SELECT count(*) FROM patients", database="bench_copy"))
    postgres.psql(server, "DROP DATABASE bench_copy")
    for table in TABLES:
        file(table).unlink()
    if loaded != ROWS:
        raise Trouble(f"COPY loaded {loaded} of {ROWS} patients")
    return took


def median(rounds):
    """Each number's median over the rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
