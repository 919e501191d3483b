"""Processes that outlive the script which started them, and how to end exactly those.

A pid alone is not a name: the kernel gives it to somebody else one day. So a process is remembered as its pid
and the moment of its birth, and nothing is signalled unless both still fit.
"""

import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path


class Trouble(Exception):
    """Something the reader of the message can do something about."""


def birth(pid):
    """When the process was started, as the kernel tells it; None when it is gone. A zombie is gone."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _birth_by_ps(pid)
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _birth_by_ps(pid):
    out = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return None if not out or out.startswith("Z") else out.split(None, 1)[1]


def spawn(command, log, env=None, user=None, cwd=None):
    """Starts a process in a session of its own (a Ctrl-C in the terminal does not reach it)."""
    rights = {"user": user, "group": user, "extra_groups": []} if user else {}
    with open(log, "ab") as out:
        child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env=env, cwd=cwd, start_new_session=True, **rights)
    child.returncode = 0  # it outlives us: Python need not wait for it, nor warn that nobody does
    return {"pid": child.pid, "birth": birth(child.pid)}


def alive(process):
    """Whether this very process still runs."""
    return bool(process) and process["birth"] is not None and birth(process["pid"]) == process["birth"]


def wait_gone(process, seconds):
    """Waits until the process is gone; False when it is still there."""
    until = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def end(process, steps=((signal.SIGTERM, 20),)):
    """Ends a process: each signal in turn with its patience in seconds, at last SIGKILL to its whole group."""
    for sign, patience in steps:
        if not alive(process):
            return
        os.kill(process["pid"], sign)
        if wait_gone(process, patience):
            return
    kill9(process)


def kill9(process):
    """SIGKILL, to the process and the group it leads."""
    if alive(process):
        os.killpg(process["pid"], signal.SIGKILL)
        wait_gone(process, 10)


def free_port(low=20000, high=32000):
    """A loopback port nobody listens on now.

    Below the range from which the kernel takes ports for outgoing connections, so that a server that is
    killed and started again finds its port still free. Another may take it first: callers try again.
    """
    for _ in range(200):
        port = random.randint(low, high)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Trouble(f"no free port between {low} and {high} on 127.0.0.1")


def tail(log, lines=20):
    """The end of a log, for an error message."""
    try:
        return "\n".join("    " + line for line in Path(log).read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "    (no log)"
