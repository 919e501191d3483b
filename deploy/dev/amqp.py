"""Just enough AMQP 0-9-1 to know that a broker really lets us in: a handshake up to an open virtual host.

`rabbitmqctl await_startup` would tell the same, but starts an Erlang machine for every question.
"""

import socket
import struct

START_OK, TUNE_OK, OPEN, CLOSE = (10, 11), (10, 31), (10, 40), (10, 50)


def lets_in(port, user, password, host="127.0.0.1", timeout=5):
    """True when the broker opens the virtual host `/` for this user; False when it does not, for any reason."""
    try:
        with socket.create_connection((host, port), timeout) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            _expect(link, (10, 10))
            login = f"\0{user}\0{password}".encode()
            _send(link, START_OK, struct.pack(">I", 0) + _short("PLAIN") + struct.pack(">I", len(login)) + login
                  + _short("en_US"))
            _send(link, TUNE_OK, _expect(link, (10, 30))[:8])
            _send(link, OPEN, _short("/") + _short("") + b"\0")
            _expect(link, (10, 41))
            _send(link, CLOSE, struct.pack(">H", 200) + _short("") + struct.pack(">HH", 0, 0))
            return True
    except (OSError, ValueError):
        return False


def _short(text):
    return bytes([len(text)]) + text.encode()


def _send(link, method, arguments):
    payload = struct.pack(">HH", *method) + arguments
    link.sendall(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")


def _expect(link, method):
    """The arguments of the next method, which must be this one."""
    _, _, size = struct.unpack(">BHI", _read(link, 7))
    payload = _read(link, size + 1)
    if struct.unpack(">HH", payload[:4]) != method:
        raise ValueError("the broker answered something else")
    return payload[4:-1]


def _read(link, size):
    got = b""
    while len(got) < size:
        piece = link.recv(size - len(got))
        if not piece:
            raise ValueError("the broker hung up")
        got += piece
    return got
