"""The whole import, killed again and again: every row has exactly its outcome, everything once."""

import random
import time
import uuid
from collections import Counter

from client import Client
from doors import INVITES, PATIENTS
from procs import Trouble
from register import Register, write

COUNTS = ("read", "created", "updated", "unchanged", "skipped", "failed")
# The share of rows, in percent, that each kind of fault befalls.
FAULTS = 0.5
# How long nothing may move before we say that nothing will.
STILL = 180
# Streams with a gap or a version twice.
GAPS = """select count(*) from (select stream_id from events group by stream_id
           having min(version) <> 1 or max(version) <> count(*)) as broken"""

# Chunks without an end; what an upload that broke off has left is removed ten minutes later, and counts for nothing.
WAITING = """select count(*) from import_chunks
             where open and import_id in (select id from imports where state <> 'receiving')"""


class Killer:
    """Kills processes at moments that a seed chooses, and starts them again."""

    def __init__(self, door, book, chance, kills, processes=None):
        self.door, self.book, self.chance = door, book, chance
        self.names = processes or (door.carrier(),)
        # One in each of so many equal parts, none at the very end: each must find the work unfinished.
        self.moments = [(part + chance.random()) / kills * 0.9 for part in range(kills)]
        self.killed = Counter()

    def at(self, share):
        """Told how far the work is, from 0 to 1; kills when the next moment has come."""
        if self.moments and share >= self.moments[0]:
            self.moments.pop(0)
            time.sleep(self.chance.random() * 0.2)  # chance: progress is seen in steps, and a step has an inside
            self.now(self.chance.choice(self.names), f"at {share:.0%}")

    def now(self, name, when):
        self.door.kill(name)
        self.killed[name] += 1
        time.sleep(self.chance.random())
        began = time.monotonic()
        self.door.start(name)
        self.book.say(f"killed {name} {when}; it answered {time.monotonic() - began:.1f} s after its start")


def whole(door, book, rows, kills, seed):
    """Imports a register with faults while its carrier is killed; once already while the file is on its way."""
    chance = random.Random(seed)
    path = door.world / "register.csv"
    promise = write(Register(rows, FAULTS, seed), path)
    book.say(f"the register has {path.stat().st_size / 2**20:.0f} MiB")
    client = Client(door, PATIENTS, door.token())
    killer = Killer(door, book, chance, max(0, kills - 1))
    began = time.monotonic()
    first = send(client, book, path, killer if kills else None)
    taken = time.monotonic()
    book.note("upload", f"{taken - began:.1f} s, {rows / (taken - began):,.0f} rows/s, with its kill and repetition" if kills else
              f"{taken - began:.1f} s, {rows / (taken - began):,.0f} rows/s")
    done = follow(client, book, first, lambda told: killer.at(progress(told)))
    took = time.monotonic() - taken
    book.note("carried out", f"{took:.1f} s after the 202, {rows / took:,.0f} rows/s; from the first byte {rows / (time.monotonic() - began):,.0f} rows/s")
    book.note("kills", dict(killer.killed))
    book.check("kills (too few: the work was too small for so many)", killer.killed.total(), kills)
    outcomes(client, book, first, done, promise)
    traces(door, book, promise["expected"]["created"])
    again(client, book, path, promise)
    traces(door, book, promise["expected"]["created"])
    arrived(door, book, promise["expected"]["created"])


def send(client, book, path, killer):
    """Sends the file; with a killer, its receiver dies on the way, and the same request comes again."""
    key = str(uuid.uuid4())
    if killer:
        fatal = killer.chance.uniform(0.05, 0.95) * path.stat().st_size
        fuse = iter([True])

        def hook(sent):
            if sent >= fatal and next(fuse, False):
                killer.now(killer.door.carrier(), f"after {sent:,} bytes of the upload")
        try:
            client.send(path, key, hook=hook)
            raise Trouble("the receiver was killed, and the upload was answered all the same")
        except ConnectionError as lost:
            book.say(f"the upload broke off: {lost}")
    first = client.send(path, key)
    if path.stat().st_size < 32 * 2**20:
        book.check("the same request again is the same import", client.send(path, key), first)
    return first


def progress(told):
    """How much of an import has its outcome, from 0 to 1."""
    return sum(told[name] for name in COUNTS[1:]) / max(1, told["read"])


def follow(client, book, import_id, seen=lambda told: None):
    """Follows an import until nothing more is to come of it."""
    last, moved, line = None, time.monotonic(), 0.0
    while True:
        told = client.ask("GET", f"/api/imports/{import_id}")
        if told["state"] in ("done", "failed", "undone"):
            return told
        now = (told["state"], progress(told), str(told.get("invites")), str(told.get("undo")))
        if now != last:
            last, moved = now, time.monotonic()
        elif time.monotonic() - moved > STILL:
            raise Trouble(f"the import has not moved for {STILL} s: {now}")
        if time.monotonic() - line > 15:
            line = time.monotonic()
            book.say(f"{told['state']}, {progress(told):.0%} of {told['read']:,} rows")
        seen(told)
        time.sleep(0.03)


def outcomes(client, book, import_id, done, promise):
    """The counts, and the codes of what failed, are those that were planted."""
    book.check("state", done["state"], "done")
    book.check("counts", {name: done[name] for name in COUNTS}, promise["expected"])
    codes = Counter(reason["code"] for row in client.failed_rows(import_id) for reason in row["reasons"])
    book.check("codes", dict(sorted(codes.items())), dict(sorted(promise["codes"].items())))


def traces(door, book, patients):
    """What is left in the database is what the counts say, each once."""
    number = lambda sql: door.number(PATIENTS, sql)
    book.check("patients on record", number("select count(*) from patients"), patients)
    book.check("claims", number("select count(*) from claims"), 2 * patients)
    types = {name: int(count) for name, count in door.query(PATIENTS, "select type, count(*) from events group by type")}
    book.check("events by type", types, {"PatientCreated": patients})
    book.check("streams with a gap", number(GAPS), 0)
    book.check("chunks that wait", number(WAITING), 0)


def again(client, book, path, promise):
    """The same file once more changes nothing."""
    began = time.monotonic()
    done = follow(client, book, client.send(path, str(uuid.uuid4())))
    wished = dict(promise["expected"])
    wished.update(created=0, unchanged=wished["created"] + wished["unchanged"])
    book.check("the same file again", {name: done[name] for name in COUNTS}, wished)
    book.note("the same file again", f"{wished['read'] / (time.monotonic() - began):,.0f} rows/s from the first byte")


def arrived(door, book, patients):
    """The log is dense and told to its end, and the other service knows every patient."""
    began = time.monotonic()
    waits = lambda: (door.number(PATIENTS, "select count(*) from events where global_seq is null")
                     + door.number(PATIENTS, "select next_seq - 1 - published from relay"))
    until(book, "events to be relayed", waits)
    until(book, "patients unknown to invites-service", lambda: patients - door.number(INVITES, "select count(*) from known_patients"))
    book.note("told to the end", f"{time.monotonic() - began:.1f} s after all else")
    events = door.number(PATIENTS, "select count(*) from events")
    book.check("the log is dense", door.number(PATIENTS, "select max(global_seq) from events"), events)
    book.check("known patients", door.number(INVITES, "select count(*) from known_patients"), patients)
    for service in (PATIENTS, INVITES):
        book.check(f"parked by {service}", door.number(service, "select count(*) from parked"), 0)


def until(book, what, left):
    """Waits until none is left; gives up when nothing moves."""
    last, moved, line = left(), time.monotonic(), time.monotonic()
    while last > 0:
        time.sleep(0.2)
        now = left()
        if now != last:
            last, moved = now, time.monotonic()
        elif time.monotonic() - moved > STILL:
            raise Trouble(f"{last:,} {what}, and nothing has moved for {STILL} s")
        if time.monotonic() - line > 15:
            line = time.monotonic()
            book.say(f"{last:,} {what}")
