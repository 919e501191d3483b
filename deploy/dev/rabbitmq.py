"""A private RabbitMQ node: own name, ports, cookie, directories, user, and an epmd of its own; loopback only.

Nothing under /etc/rabbitmq or /var/lib/rabbitmq is read or written, so a system broker beside it is not disturbed.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time

import amqp
import need
import procs
import state
from procs import Trouble

KIND = "rabbitmq"
VARIABLE = "PF_TEST_AMQP_URL"
STARTS_WITHIN = 90


def start(directory):
    """Starts the node of this directory, made first where there is none. Returns its state."""
    kept = state.load(directory, KIND)
    if kept and procs.alive(kept["process"]):
        return kept
    if kept:
        return _launch(directory, kept) or _give_up(directory, "its ports may have been taken meanwhile")
    for _ in range(3):
        shutil.rmtree(directory / "rabbitmq", ignore_errors=True)
        made = _create(directory)
        if _launch(directory, made):
            return made
    return _give_up(directory, "three sets of ports were tried")


def stop(directory):
    """Ends the node (SIGTERM is an orderly shutdown), then its epmd. The data stays."""
    kept = state.load(directory, KIND)
    if kept:
        procs.end(kept["process"], ((signal.SIGTERM, 30),))
        procs.end(kept["epmd"], ((signal.SIGTERM, 5),))


def kill9(directory):
    """kill -9 of the node, as a power cut would; epmd stays for the next start."""
    kept = state.load(directory, KIND)
    if kept:
        procs.kill9(kept["process"])


def wipe(directory):
    """Removes the data of a stopped node."""
    shutil.rmtree(directory / "rabbitmq", ignore_errors=True)


def running(directory):
    """Whether it lets us in, not only whether it is there."""
    kept = state.load(directory, KIND)
    return bool(kept) and procs.alive(kept["process"]) and _answers(kept)


def url(kept):
    """The URL of the default virtual host."""
    return f"amqp://{kept['user']}:{kept['password']}@127.0.0.1:{kept['port']}/%2f"


def control(directory, arguments):
    """rabbitmqctl, talking to this node."""
    kept = state.load(directory, KIND)
    if not kept:
        raise Trouble(f"no RabbitMQ was started in {directory}")
    tool = need.rabbitmq().with_name("rabbitmqctl")
    return subprocess.run([tool, *arguments], env=_environment(directory, kept)).returncode


def _create(directory):
    home = directory / "rabbitmq"
    home.mkdir(mode=0o700)
    kept = {
        "name": f"pf-{secrets.token_hex(4)}@localhost",
        "user": f"pf-{secrets.token_hex(4)}",
        "password": secrets.token_hex(16),
        "port": procs.free_port(),
        "dist_port": procs.free_port(),
        "epmd_port": procs.free_port(),
        "process": None,
        "epmd": None,
    }
    state.write_private(home / ".erlang.cookie", secrets.token_hex(16))
    (home / ".erlang.cookie").chmod(0o400)
    (home / "enabled_plugins").write_text("[].\n")
    (home / "rabbitmq-env.conf").write_text("")
    state.write_private(home / "rabbitmq.conf", "\n".join([
        f"listeners.tcp.local = 127.0.0.1:{kept['port']}",
        f"default_user = {kept['user']}",
        f"default_pass = {kept['password']}",
        "default_user_tags.administrator = true",
        "disk_free_limit.absolute = 50MB",
        "log.file.level = info",
        "",
    ]))
    return kept


def _environment(directory, kept):
    home = directory / "rabbitmq"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
    return {
        **inherited,
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the node instead of standing beside it
        "ERL_EPMD_PORT": str(kept["epmd_port"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": kept["name"],
        "RABBITMQ_NODE_PORT": str(kept["port"]),
        "RABBITMQ_DIST_PORT": str(kept["dist_port"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        "RABBITMQ_CTL_ERL_ARGS": "-start_epmd false",
        "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": "",
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_SCHEMA_DIR": str(home / "schema"),
        "RABBITMQ_PID_FILE": str(home / "node.pid"),
    }


def _launch(directory, kept):
    """Starts epmd and the node, waits until the node lets us in; None when one of them ended instead."""
    environment = _environment(directory, kept)
    log = directory / "rabbitmq.log"
    home = directory / "rabbitmq"
    if not procs.alive(kept["epmd"]):
        command = [need.epmd(), "-address", "127.0.0.1", "-port", kept["epmd_port"]]
        kept["epmd"] = procs.spawn(command, log, env=environment, cwd=home)
        state.save(directory, KIND, kept)
        time.sleep(0.2)
    if procs.alive(kept["epmd"]):
        kept["process"] = procs.spawn([need.rabbitmq()], log, env=environment, cwd=home)
        state.save(directory, KIND, kept)
    until = time.monotonic() + STARTS_WITHIN
    while procs.alive(kept["process"]) and procs.alive(kept["epmd"]) and time.monotonic() < until:
        if _answers(kept):
            return kept
        time.sleep(0.1)
    stop(directory)
    return None


def _answers(kept):
    return amqp.lets_in(kept["port"], kept["user"], kept["password"])


def _give_up(directory, why):
    raise Trouble(f"RabbitMQ did not start ({why}). Its log ends:\n{procs.tail(directory / 'rabbitmq.log')}")
