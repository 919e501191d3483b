#!/usr/bin/env python3
"""`make test`: builds, starts private servers, runs every test, stops the servers, says what ran on which door.

    test.py [NAME]      only the tests whose path contains NAME; then no door needs to have run

The servers end in every case: a failing test, Ctrl-C, SIGTERM, and (by a guard that watches this process) kill -9.
When PF_TEST_POSTGRES_URL or PF_TEST_AMQP_URL is set, that server is used and none is started for it.
"""

import io
import os
import signal
import subprocess
import sys
import time
import unittest
from collections import Counter
from pathlib import Path

import api
import procs
import servers
from procs import Trouble
from summary import Tally, report

ROOT = Path(__file__).resolve().parents[2]
WORLDS = ROOT / ".dev"
CARGO = os.environ.get("CARGO", "cargo")


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    tally = Tally()
    tools = None if name else run_tools()
    world = WORLDS / f"test-{os.getpid()}"
    sweep()
    try:
        code = cargo(tally, os.environ, "--no-run")
        built = time.monotonic()
        if code == 0:
            environment = {**os.environ, **servers.start(world, watched=os.getpid())}
            code = cargo(tally, environment, *filter(None, [name]))
        tally.ended(code)
        if not name and not tally.broken:
            try_api(tally)
    except Trouble as trouble:
        print(f"test: {trouble}", file=sys.stderr, flush=True)
        tally.broken.append("the servers did not start")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        servers.stop(world, wipe=True)
    print(f"\nbuilding took {built - began:.0f} s, running {time.monotonic() - built:.0f} s")
    lines, well = report(tally, tools, filtered=bool(name))
    print("\n".join(lines), flush=True)
    return 0 if well else 1


def try_api(tally):
    """Both services against their own documents."""
    try:
        failed, cases = api.run()
        print("\n".join([*failed, f"api: {cases} requests made up, {len(failed)} runs failed"]), flush=True)
        tally.broken += [f"api: {text.splitlines()[0].strip('- ')}" for text in failed]
    except Trouble as trouble:
        print(f"api: {trouble}", file=sys.stderr, flush=True)
        tally.broken.append("api: it could not run")


def run_tools():
    """The tests of these scripts themselves."""
    here = Path(__file__).parent
    suite = unittest.defaultTestLoader.discover(str(here / "tests"))
    out = io.StringIO()
    result = unittest.TextTestRunner(out, verbosity=2).run(suite)
    print(out.getvalue() if not result.wasSuccessful() else f"tools: {result.testsRun} tests ran", flush=True)
    failed = len(result.failures) + len(result.errors)
    for test, reason in result.skipped:
        print(f"ignored: tools: {test} ({reason})")
    return Counter(failed=failed, ignored=len(result.skipped), passed=result.testsRun - failed - len(result.skipped))


def sweep():
    """Ends and removes what a killed run left behind."""
    for world in WORLDS.glob("test-*"):
        if procs.birth(int(world.name.removeprefix("test-"))) is None:
            servers.stop(world, wipe=True)


def cargo(tally, environment, *more):
    """cargo test in a group of its own, its output passed through as it comes. Returns its exit code."""
    command = [CARGO, "test", "--workspace", "--no-fail-fast", "--locked", *more]
    print(f"$ {' '.join(command)}", flush=True)
    if sys.stdout.isatty():
        environment = {"CARGO_TERM_COLOR": "always", **environment}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True) as run:
        try:
            for line in run.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                tally.feed(line)
        except BaseException:
            os.killpg(run.pid, signal.SIGKILL)
            raise
    return run.returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("test: interrupted; the servers are down")
