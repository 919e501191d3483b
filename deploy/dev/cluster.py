#!/usr/bin/env python3
"""`make cluster`: both services as processes of their own, on a private PostgreSQL and RabbitMQ, to play with faults.

    cluster.py up                      starts what does not run, says where everything is
    cluster.py status
    cluster.py kill SERVICE            kill -9
    cluster.py start SERVICE
    cluster.py rabbitmq|postgres stop|start|kill9
    cluster.py ctl ARGUMENTS...        rabbitmqctl, for example: ctl list_queues name messages
    cluster.py stop                    ends everything; what was stored stays
    cluster.py wipe                    and removes that, too

Each service has databases and roles of its own, and no role may even connect to another's database. Everything lives
in .dev/cluster. The binaries are those of `cargo build --release`.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import postgres
import procs
import rabbitmq
import servers
import state
from procs import Trouble

ROOT = Path(__file__).resolve().parents[2]
USUAL = ROOT / ".dev" / "cluster"
WORLD = USUAL
SECRETS = WORLD / "secrets"
SERVICE_TOKEN = WORLD / "service-token"
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

# The processes, and the port each would like best.
SERVICES = {"patients-service": 8081, "invites-service": 8082}
# What to try when it is up.
NEXT = """next:
  curl -s http://{patients}/readyz
  TOKEN=$({binaries}/patient-first token --secrets-dir {secrets})
  {binaries}/patient-first import FILE --url http://{patients} --token "$TOKEN"
  {binaries}/patient-first status --admin-url {admins} --token-file {token_file}
  {me} kill patients-service; {me} start patients-service
  {me} rabbitmq stop; sleep 30; {me} rabbitmq start"""


def configuration(kept):
    """How a service is told where it is. By environment: arguments, with their passwords, are seen by everyone."""
    return {
        "PF_LISTEN": kept["listen"],
        "PF_ADMIN_LISTEN": kept["admin"],
        "PF_DATABASE_URL": kept["database"],
        "PF_KEYS_URL": kept["keys"],
        "PF_BUS_URL": rabbitmq.url(state.load(WORLD, "rabbitmq")),
        "PF_SECRETS_DIR": str(SECRETS),
        "PF_SERVICE_TOKEN_FILE": str(SERVICE_TOKEN),
        "PF_PUBLIC_URL": f"http://{kept['listen']}",
        "PF_JWT_PUBLIC_KEY_FILE": str(SECRETS / "jwt-public.pem"),
        "PF_ISSUER": "patient-first",
        "PF_AUDIENCE": "patient-first",
    }


def live_in(world):
    """Another home than .dev/cluster, as a proof has."""
    global WORLD, SECRETS, SERVICE_TOKEN
    WORLD, SECRETS, SERVICE_TOKEN = world, world / "secrets", world / "service-token"


def raise_all(watched=None):
    """Starts whatever does not run; with `watched` the servers end when that process is gone."""
    for server in servers.SERVERS.values():
        os.environ.pop(server.VARIABLE, None)  # these are for tests; a cluster has its own
    servers.start(WORLD, watched=watched)
    if not SECRETS.exists():
        _make_keys()
    _service_token()
    for service in SERVICES:
        if not state.load(WORLD, service):
            state.save(WORLD, service, _place(service))
        start(service)


def _make_keys():
    """The keys that both need, made once, before the first start."""
    SECRETS.mkdir(mode=0o700)
    made = subprocess.run([BINARIES / "patient-first", "keys", "init", "--secrets-dir", SECRETS], capture_output=True, text=True)
    if made.returncode:
        SECRETS.rmdir()
        raise Trouble(f"the keys could not be made:\n{made.stderr.strip()}")


def up():
    """Starts whatever does not run, and says where everything is."""
    raise_all()
    status()
    me = os.path.relpath(__file__)
    admins = ",".join(f"http://{state.load(WORLD, service)['admin']}" for service in SERVICES)
    print(NEXT.format(patients=state.load(WORLD, "patients-service")["listen"], binaries=os.path.relpath(BINARIES),
                      secrets=os.path.relpath(SECRETS), admins=admins, token_file=os.path.relpath(SERVICE_TOKEN), me=me))


def _service_token():
    """What opens the internal routes of both services, for the operator's commands; made once."""
    if not SERVICE_TOKEN.exists():
        descriptor = os.open(SERVICE_TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")


def _place(service):
    """Databases, roles and ports of a service that has none yet."""
    name = service.removesuffix("-service")
    return {
        "database": _database(name),
        "keys": _database(f"{name}_keys"),
        "listen": f"127.0.0.1:{_port(SERVICES[service])}",
        "admin": f"127.0.0.1:{_port(SERVICES[service] + 1000)}",
        "process": None,
    }


def _database(name):
    """A database and a role that owns this one and may connect to no other."""
    cluster = state.load(WORLD, "postgres")
    password = secrets.token_hex(16)
    role = postgres.psql(cluster, f"SELECT count(*) FROM pg_roles WHERE rolname = '{name}'")
    if role == "0":
        postgres.psql(cluster, f"CREATE ROLE {name} LOGIN")
        postgres.psql(cluster, f"CREATE DATABASE {name} OWNER {name}")
    postgres.psql(cluster, f"ALTER ROLE {name} PASSWORD '{password}'",
                  *(f"REVOKE ALL ON DATABASE {each} FROM PUBLIC" for each in (name, "postgres", "template1")))
    return postgres.url(cluster, name, name, password)


def _port(wish):
    """The port wished for, or another when it is taken; a proof's world leaves the well-known ones alone."""
    try:
        return procs.free_port(wish, wish) if WORLD == USUAL else procs.free_port()
    except Trouble:
        return procs.free_port()


def start(service):
    """Starts one service and waits until it answers."""
    kept = state.load(WORLD, service)
    if not kept:
        raise Trouble("there is no cluster yet: make cluster")
    if procs.alive(kept["process"]):
        return
    binary = BINARIES / service
    if not binary.exists():
        raise Trouble(f"{binary} is missing: make cluster builds it")
    log = WORLD / f"{service}.log"
    kept["process"] = procs.spawn([binary], log, env={**os.environ, **configuration(kept)}, cwd=WORLD)
    state.save(WORLD, service, kept)
    until = time.monotonic() + 60
    while procs.alive(kept["process"]):
        if _ready(kept) != "no answer":
            return
        if time.monotonic() > until:
            raise Trouble(f"{service} runs but does not answer at {kept['listen']}; its log ends:\n{procs.tail(log)}")
        time.sleep(0.1)
    raise Trouble(f"{service} ended. Its log ends:\n{procs.tail(log)}")


def _ready(kept):
    try:
        with urllib.request.urlopen(f"http://{kept['listen']}/readyz", timeout=2) as answer:
            return "ready" if answer.status == 200 else f"answers {answer.status}"
    except urllib.error.HTTPError as refusal:
        return f"not ready ({refusal.code})"
    except OSError:
        return "no answer"


def stop():
    """Ends the services, then the servers."""
    for service in SERVICES:
        kept = state.load(WORLD, service)
        if kept:
            procs.end(kept["process"], ((signal.SIGTERM, 20),))
    servers.stop(WORLD)


def status():
    """Where everything is, and whether it answers. Passwords stay in .dev/cluster, readable by their owner alone."""
    servers.status(WORLD)
    for service in SERVICES:
        print(_line(service))
    print(f"logs and the URLs with their passwords are in {os.path.relpath(WORLD)}")


def _line(service):
    kept = state.load(WORLD, service)
    if not kept:
        return f"{service:17} never started"
    word = _ready(kept) if procs.alive(kept["process"]) else "down"
    return f"{service:17} {word:15} pid {(kept['process'] or {}).get('pid')}, http://{kept['listen']}, admin http://{kept['admin']}"


def _server(kind, action):
    server = servers.SERVERS[kind]
    match action:
        case "stop":
            server.stop(WORLD)
        case "kill9":
            server.kill9(WORLD)
        case "start" if state.load(WORLD, kind):
            server.start(WORLD)
        case "start":
            raise Trouble("there is no cluster yet: make cluster")
        case _:
            raise Trouble(f"{kind} can stop, start or kill9")


def main(words):
    match words:
        case ["up"]:
            up()
        case ["stop"]:
            stop()
        case ["status"]:
            status()
        case ["wipe"]:
            stop()
            servers.stop(WORLD, wipe=True)
        case ["kill", service] if service in SERVICES:
            procs.kill9((state.load(WORLD, service) or {}).get("process"))
            print(f"{service:17} killed")
        case ["start", service] if service in SERVICES:
            start(service)
            print(_line(service))
        case [("rabbitmq" | "postgres") as kind, action]:
            _server(kind, action)
            servers.status(WORLD)
        case ["ctl", *arguments]:
            return rabbitmq.control(WORLD, arguments)
        case _:
            raise SystemExit(__doc__)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Trouble as trouble:
        sys.exit(f"cluster: {trouble}")
