#!/usr/bin/env python3
"""Private PostgreSQL and RabbitMQ for tests and for trying things by hand.

    servers.py start   --dir DIR [--postgres] [--rabbitmq] [--while PID]
    servers.py stop    --dir DIR [--postgres] [--rabbitmq] [--wipe]
    servers.py restart --dir DIR [--postgres] [--rabbitmq]
    servers.py kill9   --dir DIR [--postgres] [--rabbitmq]
    servers.py status  --dir DIR
    servers.py ctl     --dir DIR ARGUMENTS...          rabbitmqctl for this node

Without --postgres or --rabbitmq both are meant. Each DIR is a world of its own: free loopback ports, random
passwords, its own data; any number live side by side. `start` returns when the servers answer, and writes DIR/env:

    PF_TEST_POSTGRES_URL=postgres://...    a superuser of a private cluster
    PF_TEST_AMQP_URL=amqp://...

A server whose variable is set already is not started: the one that it names is used. `stop` ends only what `start`
began in this DIR, whatever became of the caller. With `--while PID` the servers end by themselves
when that process is gone, even if it was killed. A started-again server keeps its port, password and data.
"""

import argparse
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import need
import postgres
import procs
import rabbitmq
import state
from procs import Trouble

SERVERS = {"postgres": postgres, "rabbitmq": rabbitmq}


def start(directory, kinds=tuple(SERVERS), watched=None):
    """Starts the servers; returns the environment for those who use them."""
    given = {s.VARIABLE: os.environ[s.VARIABLE] for s in SERVERS.values() if os.environ.get(s.VARIABLE)}
    wanted = [kind for kind in kinds if SERVERS[kind].VARIABLE not in given]
    need.ensure(wanted)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o711)
    if watched and wanted:
        _guard(directory, watched)
    try:
        with ThreadPoolExecutor() as side_by_side:
            states = list(side_by_side.map(lambda kind: SERVERS[kind].start(directory), wanted))
    except Trouble:
        stop(directory, wanted)
        raise
    made = {SERVERS[kind].VARIABLE: SERVERS[kind].url(kept) for kind, kept in zip(wanted, states)}
    environment = {**given, **_known(directory), **made}
    state.write_private(directory / "env", "".join(f"{k}={v}\n" for k, v in environment.items()))
    return environment


def _known(directory):
    """The URLs of servers that were started here before and still run."""
    kept = {kind: state.load(directory, kind) for kind in SERVERS}
    return {SERVERS[kind].VARIABLE: SERVERS[kind].url(k) for kind, k in kept.items() if k and procs.alive(k["process"])}


def stop(directory, kinds=tuple(SERVERS), wipe=False):
    """Ends what was started in this directory; with `wipe` its data goes too."""
    with ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(lambda kind: SERVERS[kind].stop(directory), kinds))
    if set(kinds) == set(SERVERS):
        guard = state.load(directory, "guard")
        if guard and guard["pid"] != os.getpid():
            procs.end(guard)
    if wipe:
        for kind in SERVERS:
            SERVERS[kind].wipe(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _guard(directory, pid):
    """A small process that stops the servers when `pid` is gone: the trap of a killed caller never runs."""
    command = [sys.executable, __file__, "guard", "--dir", directory, "--while", pid, "--birth", procs.birth(pid)]
    state.save(directory, "guard", procs.spawn(command, directory / "guard.log"))


def _keep_guard(directory, watched):
    while procs.alive(watched):
        time.sleep(0.5)
    print(f"process {watched['pid']} is gone: stopping its servers", flush=True)
    stop(directory)


def _restart(directory, kinds):
    for kind in kinds:
        if not state.load(directory, kind):
            raise Trouble(f"no {kind} was started in {directory}")
    stop(directory, [*kinds])
    for kind in kinds:
        SERVERS[kind].start(directory)


def status(directory):
    """A line for each; 3 when one that was started does not answer."""
    code = 0
    for kind, server in SERVERS.items():
        kept = state.load(directory, kind)
        answers = bool(kept) and server.running(directory)
        word = "answers" if answers else "does not answer" if kept and procs.alive(kept["process"]) else "down"
        detail = f"pid {kept['process']['pid']}, port {kept['port']}" if kept and kept["process"] else "never started"
        print(f"{kind:9} {word:15} {detail}")
        code = code or (3 if kept and not answers else 0)
    return code


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["start", "stop", "restart", "kill9", "status", "ctl", "guard"])
    parser.add_argument("--dir", required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--rabbitmq", action="store_true")
    parser.add_argument("--while", dest="watched", type=int, metavar="PID")
    parser.add_argument("--birth", help=argparse.SUPPRESS)
    parser.add_argument("--wipe", action="store_true")
    told, rest = parser.parse_known_args()
    if rest and told.action != "ctl":
        parser.error(f"unknown: {' '.join(rest)}")
    return told, rest


def main():
    told, rest = _arguments()
    kinds = [kind for kind in SERVERS if getattr(told, kind)] or list(SERVERS)
    match told.action:
        case "start":
            began = time.monotonic()
            for name, value in start(told.dir, kinds, told.watched).items():
                print(f"{name}={value}")
            print(f"ready after {time.monotonic() - began:.1f} s", file=sys.stderr)
        case "stop":
            stop(told.dir, kinds, told.wipe)
        case "restart":
            _restart(told.dir, kinds)
        case "kill9":
            for kind in kinds:
                SERVERS[kind].kill9(told.dir)
        case "status":
            return status(told.dir)
        case "ctl":
            return rabbitmq.control(told.dir, rest)
        case "guard":
            _keep_guard(told.dir, {"pid": told.watched, "birth": told.birth})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(f"servers: {trouble}")
