#!/usr/bin/env python3
"""Both services against their own OpenAPI documents: schemathesis makes requests up, and looks at every answer.

    api.py [EXAMPLES]      requests made up for each operation, beside those for the edges of its schema; 100

Run by `make test` on the embedded server. Every check is on. A request that fits its schema may still be refused for
what is on record: which refusals an operation may answer so stands in the document, and is taken from there.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from procs import Trouble

ROOT = Path(__file__).resolve().parents[2]
WORLDS = ROOT / ".dev"
REQUIREMENTS = Path(__file__).with_name("api-requirements.txt")
PROGRAM = ROOT / "target" / "debug" / "patient-first"
EXAMPLES = 100

# Refusals that follow from what is on record, or from rules that no schema says.
REFUSALS = {"409", "410", "412", "422", "428", "429"}
# It waits 1.5 s for every patient it has not heard of: its examples are made up by several at a time.
SLOW, SLICES = "/api/generate_invite", 5

FORM = """
continue-on-failure = true

[checks.missing_required_header]
# If-Match is asked for with 428 (RFC 6585).
expected-statuses = [400, 401, 403, 415, 422, 428]
"""


def schemathesis():
    """The program, in a virtual environment of its own that is made when the pinned versions change."""
    mark = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    home = WORLDS / f"api-{mark}"
    program = home / "bin" / "schemathesis"
    if program.exists() and (home / "complete").exists():
        return program
    shutil.rmtree(home, ignore_errors=True)
    print("installing schemathesis into .dev", file=sys.stderr, flush=True)
    for command in ([sys.executable, "-m", "venv", home],
                    [home / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "-r", REQUIREMENTS]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Trouble(f"schemathesis cannot be installed from PyPI:\n{done.stdout}{done.stderr}".strip())
    (home / "complete").touch()
    return program


def config(document):
    """What each operation may refuse although the request fits its schema."""
    parts = [FORM]
    for path, item in sorted(document["paths"].items()):
        for method, operation in sorted(item.items()):
            parameters = operation.get("parameters", [])
            statuses = sorted(REFUSALS & set(operation["responses"]))
            # Nobody can make a cursor up, and an id is nearly always nobody's.
            statuses += ["400"] if any(parameter["name"] == "cursor" for parameter in parameters) else []
            statuses += ["404"] if "404" in operation["responses"] else []
            statuses += ["403"] if operation.get("security") == [{}] and "403" in operation["responses"] else []
            # The token it is given is a member of the staff's, and opens no person's session.
            statuses += ["401"] if [{"patient_session": []}] == operation.get("security") else []
            expected = ", ".join(['"2xx"', *statuses])
            parts.append(f'[[operations]]\ninclude-name = "{method.upper()} {path}"\n'
                         f"checks.positive_data_acceptance.expected-statuses = [{expected}]\n")
    return "\n".join(parts)


def plan(name, document, examples):
    """The runs for a document: what is chosen, and how many examples."""
    if SLOW not in document["paths"]:
        return [(name, [], examples)]
    slices = [(f"{name}-slow-{n}", ["--include-path", SLOW, "--seed", str(n)], -(-examples // SLICES))
              for n in range(1, SLICES + 1)]
    return [(name, ["--exclude-path", SLOW], examples), *slices]


class Server:
    """The embedded server on loopback, its data in a folder that is removed."""

    def __init__(self, folder):
        self.data = Path(folder) / "data"
        self.log = open(Path(folder) / "server.log", "wb")
        self.process = subprocess.Popen([PROGRAM, "serve", "--data-dir", self.data, "--listen", "127.0.0.1:0"],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self):
        try:
            return self.ready()
        except BaseException:
            self.__exit__()
            raise

    def ready(self):
        """Waits until it answers."""
        for _ in range(600):
            if self.process.poll() is not None:
                raise Trouble(f"the server ended: {Path(self.log.name).read_text()}")
            try:
                self.url = (self.data / "server-url").read_text().strip()
                self.token = subprocess.run([PROGRAM, "token", "--data-dir", self.data], check=True,
                                            capture_output=True, text=True).stdout.strip()
                self.get("/livez")
                return self
            except OSError:
                time.sleep(0.1)
        raise Trouble("the server does not answer")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return answer.read()

    def post(self, path, body, kind="application/json"):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.url}{path}", body.encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def fill(self):
        """Something to be asked for."""
        patient = {"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace", "date_of_birth": "1990-02-28"}
        patient = self.post("/api/patients", json.dumps(patient))["id"]
        self.post("/api/generate_invite", json.dumps({"patient_id": patient, "provider_id": "dr-grey"}))
        self.post("/api/patients/import", "email,first_name,last_name\nb@example.org,B,C\nc@example.org,,\n", "text/csv")


def run(examples=EXAMPLES):
    """Runs all of it; what failed, as text, and how many requests were made."""
    program = schemathesis()
    WORLDS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="api-run-", dir=WORLDS) as folder, Server(folder) as server:
        server.fill()
        running = []
        try:
            for name in ("patients", "invites"):
                document = json.loads(server.get(f"/openapi/{name}.json"))
                (Path(folder) / f"{name}.toml").write_text(config(document))
                running += [begin(program, Path(folder), server, name, *one) for one in plan(name, document, examples)]
            return gather(running)
        finally:
            for _, _, process in running:
                process.kill()


def begin(program, folder, server, name, title, chosen, count):
    """Begins one run; its name, where it writes, and the process."""
    home = folder / title
    home.mkdir()
    # To a file: a pipe that nobody reads holds up whoever writes.
    out = home / "out"
    command = [program, "--config-file", folder / f"{name}.toml", "run", f"{server.url}/openapi/{name}.json", "--no-color",
               "--header", f"Authorization: Bearer {server.token}", "--max-examples", str(count), *chosen]
    with open(out, "wb") as file:
        process = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                   env={**os.environ, "COLUMNS": "160"})
    return title, out, process


def gather(running):
    """Waits for all of them."""
    failed, cases = [], 0
    for title, out, process in running:
        code = process.wait()
        said = out.read_text(errors="replace")
        made = [int(found) for found in re.findall(r"(\d+) generated", said)]
        cases += sum(made)
        # One that made nothing up shows nothing.
        if code or not sum(made):
            failed.append(f"---- {title}\n{said[max(said.find('= FAILURES'), 0):]}")
    return failed, cases


def main():
    began = time.monotonic()
    failed, cases = run(int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES)
    print("\n".join(failed))
    print(f"api: {cases} requests made up, {'something' if failed else 'nothing'} wrong ({time.monotonic() - began:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(f"api: {trouble}")
