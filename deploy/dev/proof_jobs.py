"""What comes after an import: invitations while everything is killed, undoing, correcting."""

import csv
import io
import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import register
from client import Client
from doors import INVITES, PATIENTS
from proof_import import COUNTS, GAPS, Killer, follow, outcomes, progress, send, until
from register import FAULTS, Register, write

# What a program that knows the truth puts right, by kind of fault; rows whose cells cannot be told apart, all of them.
WRONG_CELLS = {"bad_email": [register.EMAIL], "no_last_name": [register.LAST], "no_such_day": [register.BIRTH],
               "born_tomorrow": [register.BIRTH], "no_phone": [register.PHONE], "formula": [register.LAST],
               "email_of_another": [register.EMAIL, register.LAST, register.BIRTH]}
# The cells a result file has before those of the register.
OURS = 5


def invited(door, book, patients, kills, seed):
    """Imports with invite=true while every process is killed in turn; each patient has exactly one invite."""
    path = door.world / "register.csv"
    write(Register(patients, seed=seed), path)
    client = Client(door, PATIENTS, door.token())
    killer = Killer(door, book, random.Random(seed), kills, door.processes)
    first = client.send(path, str(uuid.uuid4()), "?invite=true&provider_id=dr-grey&expiry_days=30")

    def seen(told):
        answered = told["invites"]["issued"] + told["invites"]["refused"]
        killer.at((progress(told) + answered / patients) / 2)
    done = follow(client, book, first, seen)
    book.note("kills", dict(killer.killed))
    book.check("kills (too few: the work was too small for so many)", killer.killed.total(), kills)
    book.check("state", done["state"], "done")
    book.check("created", done["created"], patients)
    book.check("invites", done["invites"], {"requested": patients, "issued": patients, "refused": 0})
    for what in ("count(*)", "count(distinct patient_id)"):
        book.check(f"invites, {what}", door.number(INVITES, f"select {what} from invites"), patients)
    until(book, "invites unknown to patients-service",
          lambda: patients - door.number(PATIENTS, "select count(*) from patient_invite where pending"))
    for service, types in ((PATIENTS, ("PatientCreated", "InvitationRequested")), (INVITES, ("InviteIssued",))):
        for name in types:
            sql = f"select count(*) from events where type = '{name}'"
            book.check(f"events {name}", door.number(service, sql), patients)
        book.check(f"streams with a gap, {service}", door.number(service, GAPS), 0)
        book.check(f"parked by {service}", door.number(service, "select count(*) from parked"), 0)


def undo(door, book, patients, seed):
    """Half of an import's patients are invited one by one; undoing archives exactly the other half."""
    path = door.world / "register.csv"
    write(Register(patients, seed=seed), path)
    token = door.token()
    client = Client(door, PATIENTS, token)
    first = client.send(path, str(uuid.uuid4()))
    book.check("created", follow(client, book, first)["created"], patients)
    everyone = [patient["id"] for patient in client.pages("/api/patients?limit=200")]
    book.check("listed", len(set(everyone)), patients)
    chosen = set(random.Random(seed).sample(everyone, patients // 2))
    invite(door, token, chosen)
    told = lambda: sum(1 for _ in client.pages("/api/patients?limit=200&has_pending_invite=true"))
    until(book, "invites not told yet", lambda: len(chosen) - told())
    for _ in range(2):  # asked twice, done once
        client.ask("POST", f"/api/imports/{first}/undo")
    done = follow(client, book, first)
    book.check("state", done["state"], "undone")
    counts = {name: done["undo"][name] for name in ("archived", "kept")}
    book.check("undone", counts, {"archived": patients - len(chosen), "kept": len(chosen)})
    listed = done["undo"]["left"]
    book.check("the first that are told as left", len(listed), min(100, len(chosen)))
    book.check("of them invited", sum(one["reason"] == "invited" and one["patient_id"] in chosen for one in listed), len(listed))
    ids = lambda sql: {row[0] for row in door.query(PATIENTS, sql)}
    bare = lambda several: {one.replace("-", "") for one in several}
    left = ids(f"select {door.hex_of('patient_id')} from import_left where reason = 'invited'")
    book.check("everyone left was invited, and everyone invited was left", left == bare(chosen), True)
    archived = ids(f"select {door.hex_of('id')} from patients where status = 'inactive'")
    book.check("exactly the others are archived", archived == bare(everyone) - bare(chosen), True)
    book.check("open invites afterwards", told(), len(chosen))


def invite(door, token, chosen):
    """Invites each over the API, some at a time."""
    def one(patient):
        client = Client(door, INVITES, token)
        client.ask("POST", "/api/generate_invite", {"patient_id": patient, "provider_id": "dr-grey", "send_email": False},
                   {"Idempotency-Key": str(uuid.uuid4())})
        client.close()
    with ThreadPoolExecutor(8) as some:
        list(some.map(one, sorted(chosen)))


def correct(door, book, rows, seed):
    """A file with a hundredth of each fault: the result is downloaded, corrected and sent again, whole and in part."""
    path = door.world / "register.csv"
    people = Register(rows, 1.0, seed)
    promise = write(people, path)
    failed, sound = promise["expected"]["failed"], rows - promise["expected"]["failed"]
    for clinic, order in (("in-part", ("?only=failed", "")), ("whole", ("",))):
        client = Client(door, PATIENTS, door.token(clinic))
        first = send(client, book, path, None)
        outcomes(client, book, first, follow(client, book, first), promise)
        created = failed
        for only in order:
            file = client.surely("GET", f"/api/imports/{first}/result{only}")
            again = door.world / "corrected.csv"
            again.write_text(corrected(file, people), encoding="utf-8-sig", newline="")
            done = follow(client, book, client.send(again, str(uuid.uuid4())))
            read = failed if only else rows
            # What the corrections of `?only=failed` put on record is unchanged when the whole file brings it again.
            wished = {"read": read, "created": created, "updated": 0, "unchanged": read - created, "skipped": 0, "failed": 0}
            book.check(f"corrected, {clinic} {only or '(all rows)'}", {name: done[name] for name in COUNTS}, wished)
            created = 0
        compare(door, book, clinic, people)
    book.note("rows that failed at first", f"{failed} of {rows}, the other {sound} came back as unchanged")


def corrected(file, people):
    """A result file with every failed row put right. The other rows say nothing but their outcome."""
    lines = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    for line in lines[1:]:
        if line[2] == "failed":
            row = int(line[0])
            truth = next(csv.reader([",".join(people.person(row))]))
            for place in WRONG_CELLS.get(people.fault(row), range(len(truth))):
                line[OURS + place] = truth[place]
    out = io.StringIO(newline="")
    csv.writer(out).writerows(lines)
    return out.getvalue()


def compare(door, book, clinic, people):
    """Cell by cell, the clinic's records are the people that the register was made of."""
    repeats = {kind for kind, (end, _) in FAULTS.items() if end != "failed"}
    true = {tuple(next(csv.reader([",".join(people.person(row))])))
            for row in range(1, people.rows + 1) if people.fault(row) not in repeats}
    texts = ("phone", "date_of_birth", "notes", "external_id")
    columns = ["email", "first_name", "last_name", *(f"coalesce(cast({name} as text), '')" for name in texts)]
    seen = {tuple(row) for row in door.query(PATIENTS, f"select {', '.join(columns)} from patients where account_id = '{clinic}'")}
    book.check(f"records of {clinic} that are not as they were", len(seen ^ true), 0)
