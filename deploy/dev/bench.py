#!/usr/bin/env python3
"""`make bench`: what the product does, beside what the servers can do alone, in the same run on the same machine.

    bench.py [creates] [relay] [import]

creates   HTTP creates at 1, 8, 32 and 64 clients (validation, idempotency, claims, sealing, relaying all on) beside pgbench
          that writes exactly the rows a create writes, one transaction a create. The two take turns, ROUNDS times.
relay     a log relayed to RabbitMQ, beside confirmed publishing of the same bytes.
import    a register imported over HTTP, beside COPY of exactly the rows that it leaves, into the same tables with the same indexes.

Ratios are what counts: absolute numbers are this machine's. Prints a table, and writes .dev/bench/result.json.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import bench_import
import need
import postgres
import procs
import servers
import state
from procs import Trouble

ROOT = Path(__file__).resolve().parents[2]
WORLD = ROOT / ".dev" / "bench"
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
CLIENTS = (1, 8, 32, 64)
ROUNDS = 3
SECONDS = 6

# What a create writes: its answer's key, two claims, the event, the row. The sealed block and the texts have the sizes
# of the real ones.
PGBENCH = r"""
\set n random(1, 1000000000000)
begin;
insert into claims values ('bench', 'email', concat('pgbench-', :client_id::text, '-', :n::text, '@example.org'), '00000000-0000-0000-0000-000000000000', gen_random_uuid()),
                          ('bench', 'external_id', concat('pgbench-', :client_id::text, '-', :n::text), '00000000-0000-0000-0000-000000000000', gen_random_uuid()) on conflict do nothing;
insert into events (event_id, stream_id, stream_type, version, type, schema_ver, account_id, data, sealed, key_id, meta, occurred_at, recorded_at)
values (gen_random_uuid(), gen_random_uuid(), 'patient', 1, 'PatientCreated', 1, 'bench',
        '{"origin": "staff", "status": "pending", "invites_void_before": 0}', decode(repeat('ab', 200), 'hex'), gen_random_uuid(),
        '{"actor": "staff operator", "correlation": "01a20742-5bb5-7691-8c6b-403a3c5462b6", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}', now(), now());
insert into patients (id, account_id, version, status, email, first_name, last_name, phone, date_of_birth, external_id, incomplete, key_id, sort_name, search, created_at, updated_at)
values (gen_random_uuid(), 'bench', 1, 'pending', concat('pgbench-', :client_id::text, '-', :n::text, '@example.org'), 'Ada', concat('Lovelace ', :n::text), '+44 20 7946 0018', '1990-02-28', concat('pgbench-', :client_id::text, '-', :n::text),
        false, gen_random_uuid(), concat('lovelace ', :n::text, ' ada'), concat('ada lovelace ', :n::text, ' ada pgbench-', :client_id::text, '-', :n::text, '@example.org pgbench-', :client_id::text, '-', :n::text), now(), now());
insert into idempotency values ('bench', 'operator', concat('pgbench-', :client_id::text, '-', :n::text), decode(repeat('ab', 32), 'hex'), 201, gen_random_uuid(), 1, now()) on conflict do nothing;
commit;
"""


def database(name):
    """An empty database of the private cluster; its URL."""
    cluster = state.load(WORLD, "postgres")
    postgres.psql(cluster, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    postgres.psql(cluster, f"CREATE DATABASE {name}")
    return postgres.url(cluster, name)


def run(command, **more):
    """Runs a measuring command; its last line is JSON."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode:
        raise Trouble(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


@contextmanager
def patients(environment):
    """patients-service on empty databases: where it listens, a token, the database's URL, the process."""
    url, secrets = database("bench"), WORLD / "secrets"
    subprocess.run([BINARIES / "patient-first", "keys", "init", "--secrets-dir", secrets], check=True, stderr=subprocess.DEVNULL)
    token = run([BINARIES / "patient-first", "token", "--secrets-dir", secrets, "--account", "bench"]).strip()
    at = f"127.0.0.1:{procs.free_port()}"
    settings = {
        **os.environ, "PF_LISTEN": at, "PF_DATABASE_URL": url, "PF_KEYS_URL": database("bench_keys"),
        "PF_BUS_URL": environment["PF_TEST_AMQP_URL"], "PF_SECRETS_DIR": str(secrets),
        "PF_JWT_PUBLIC_KEY_FILE": str(secrets / "jwt-public.pem"), "PF_LOG": "warn",
    }
    service = procs.spawn([BINARIES / "patients-service"], WORLD / "patients-service.log", env=settings, cwd=WORLD)
    try:
        _until_ready(at)
        yield at, token, url, service
    finally:
        procs.end(service)


def creates(environment):
    """Creates per second over HTTP and by pgbench, in turns."""
    with patients(environment) as (at, token, url, _):
        return {clients: _creates_at(clients, at, token, url) for clients in CLIENTS}


def imports(environment):
    """Rows per second of an import and of COPY, in turns."""
    return bench_import.median([bench_import.once(patients(environment), WORLD) for _ in range(ROUNDS)])


def _until_ready(at):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            return urllib.request.urlopen(f"http://{at}/readyz", timeout=2).close()
        except OSError:
            time.sleep(0.1)
    raise Trouble(f"patients-service does not answer:\n{procs.tail(WORLD / 'patients-service.log')}")


def _creates_at(clients, at, token, url):
    ours, limit, latency = [], [], []
    for turn in range(ROUNDS):
        said = json.loads(run([BINARIES / "bench", "creates", "--at", at, "--clients", clients, "--seconds", SECONDS,
                               "--run", f"r{clients}-{turn}"], env={**os.environ, "PF_TOKEN": token}))
        ours.append(said["per_second"])
        latency.append((said["p50_ms"], said["p99_ms"]))
        limit.append(_pgbench(clients, url))
    p50, p99 = (statistics.median(one[i] for one in latency) for i in (0, 1))
    return {"ours": statistics.median(ours), "limit": statistics.median(limit), "p50_ms": p50, "p99_ms": p99}


def _pgbench(clients, url):
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(PGBENCH)
        script.flush()
        os.chmod(script.name, 0o644)
        said = run([need.postgres() / "pgbench", "-n", "-M", "prepared", "-c", clients, "-j", min(clients, 2), "-T", SECONDS,
                    "-f", script.name, url])
    line = next(line for line in said.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])


def relay(environment):
    """Events per second through the relay, and by raw confirmed publishing."""
    rounds = []
    for _ in range(ROUNDS):
        settings = {**os.environ, "BENCH_DATABASE_URL": database("bench_relay"), "BENCH_KEYS_URL": database("bench_relay_keys"),
                    "BENCH_BUS_URL": environment["PF_TEST_AMQP_URL"]}
        rounds.append(json.loads(run([BINARIES / "bench", "relay"], env=settings).splitlines()[-1]))
    return {"ours": statistics.median(r["relay_per_second"] for r in rounds),
            "limit": statistics.median(r["raw_per_second"] for r in rounds)}


def table(result):
    """The result as a person reads it."""
    lines = [f"{'what':<24}{'ours/s':>12}{'limit/s':>12}{'ratio':>8}   beside"]
    row = lambda what, one, beside: lines.append(
        f"{what:<24}{one['ours']:>12,.0f}{one['limit']:>12,.0f}{one['ours'] / one['limit']:>8.2f}   {beside}")
    for clients, one in result.get("creates", {}).items():
        row(f"create, {clients} clients", one, f"pgbench, the same rows; p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms")
    if "relay" in result:
        row("relay", result["relay"], "confirmed publishing of the same bytes, windows of 1000")
    if "import" in result:
        one = result["import"]
        row("import", one, f"COPY of the rows it leaves; {one['with_upload']:,.0f} from the first byte on, {one['peak_mib']:.0f} MiB at most")
    return "\n".join(lines)


def main(wanted):
    WORLD.mkdir(parents=True, exist_ok=True)
    for server in servers.SERVERS.values():
        os.environ.pop(server.VARIABLE, None)
    environment = servers.start(WORLD, watched=os.getpid())
    try:
        parts = {"creates": creates, "relay": relay, "import": imports}
        result = {name: part(environment) for name, part in parts.items() if not wanted or name in wanted}
        (WORLD / "result.json").write_text(json.dumps(result, indent=2))
        print(table(result))
    finally:
        servers.stop(WORLD, wipe=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Trouble as trouble:
        sys.exit(f"bench: {trouble}")
