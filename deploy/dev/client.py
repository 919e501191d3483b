"""A patient client of the HTTP API: asks again where a service was killed, and can send a file piece by piece."""

import http.client
import json
import time

from procs import Trouble

# How long a service may be away before we take it for dead.
AWAY = 90
PIECE = 64 * 1024


class Refused(Trouble):
    """An answer that is no success."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:500].decode(errors='replace')}")
        self.status = status


class Client:
    """Talks to one service; `at` is asked each time, in case it moved."""

    def __init__(self, door, service, token):
        self.door, self.service, self.token = door, service, token
        self.connection = None

    def _connect(self):
        return http.client.HTTPConnection(self.door.at(self.service), timeout=120)

    def once(self, method, path, body=None, headers=None):
        """One request; the answer's bytes. Raises OSError where nobody is there, Refused where it is refused."""
        try:
            self.connection = self.connection or self._connect()
            self.connection.request(method, path, body, {"Authorization": f"Bearer {self.token}", **(headers or {})})
            answer = self.connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as lost:
            self.close()
            raise ConnectionError(str(lost)) from lost
        if answer.status >= 300:
            self.close()
            raise Refused(answer.status, said)
        return said

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None, headers=None):
        """The same until it is answered; the answer's JSON. For requests that may be repeated."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        return json.loads(self.surely(method, path, body, headers) or b"null")

    def surely(self, method, path, body=None, headers=None):
        until = time.monotonic() + AWAY
        while True:
            try:
                return self.once(method, path, body, headers)
            except Refused as refused:
                if refused.status != 503 or time.monotonic() > until:
                    raise
            except ConnectionError as lost:
                if time.monotonic() > until:
                    raise Trouble(f"{self.service} does not answer: {lost}") from lost
            time.sleep(0.1)

    def send(self, path, key, options="", hook=None):
        """Sends a file to be imported; its import's id. `hook` is called with the number of bytes sent so far."""
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            headers = {"Content-Type": "text/csv", "Content-Length": str(size), "Idempotency-Key": key}
            said = self.once("POST", f"/api/patients/import{options}", Pieces(file, hook), headers)
        return json.loads(said)["id"]

    def failed_rows(self, import_id):
        """Every failed row of an import."""
        yield from self.pages(f"/api/imports/{import_id}/rows?outcome=failed&limit=200")

    def pages(self, path):
        cursor = ""
        while cursor is not None:
            page = self.ask("GET", path + (f"&cursor={cursor}" if cursor else ""))
            yield from page["items"]
            cursor = page.get("next_cursor")


class Pieces:
    """A file, read in pieces, telling how far."""

    def __init__(self, file, hook):
        self.file, self.hook, self.sent = file, hook, 0

    def read(self, _size=-1):
        piece = self.file.read(PIECE)
        self.sent += len(piece)
        if self.hook:
            self.hook(self.sent)
        return piece
