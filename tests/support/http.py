"""A request to the local interface, written by hand: what no client would send, too."""

import json
import socket
from pathlib import Path


def call(door: Path, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str]]:
    """Status and JSON answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(door))
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    top, _, content = answer.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(content)
