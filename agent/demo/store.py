"""The demo's central store: ``python -P -m agent.demo.store FOLDER``, the other party, a process of its own.

It alone has the mirror key (never on a disk) and, besides whom the user gives it to, the identity that opens the
media. It speaks lines of JSON: first it says who it is (``Keys``); for each ``Delivery`` on standard input it checks
bytes, streams and media with the device's enrolled key, sees that the tree continues the one it co-signed last, and
answers with what it co-signed or with why not. A tree in which a stream forks or skips is not co-signed. The spool
stands in for what a network would have brought; the courier replaces that and keeps the rest.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from agent.demo.errors import StoreRefused
from agent.evidence import age
from agent.evidence.checkpoint import Cosigner, parse_checkpoint
from agent.evidence.errors import EvidenceError
from agent.evidence.note import add_signature, parse_note, parse_vkey
from agent.verify import Options, verify
from agent.verify.run import read_evidence

NAME = "liuhen/demo-store"
IDENTITY, MIRROR_KEY, CHECKPOINT = "identity.txt", "mirror.vkey", "checkpoint"
STREAM_PROBLEMS = ("stream_", "session_")
"""Kinds that say of a stream that it skips, or is not there."""


class Keys(msgspec.Struct):
    """The public halves of what the store holds."""

    recipient: str
    mirror_key: str


class Delivery(msgspec.Struct):
    """Where the device's spool lies, and the key with which the device was enrolled (a vkey)."""

    spool: str
    device_key: str


class Answer(msgspec.Struct):
    """The size that was co-signed, or why nothing was."""

    size: int = 0
    refused: str = ""


class Store:
    """The process's inside; ``folder`` is its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._identity = age.Identity.generate(os.urandom)
        self._cosigner = Cosigner(NAME, os.urandom(32))
        self._last: bytes | None = None

    def publish(self) -> Keys:
        """Write down identity (0600) and mirror key."""
        recipient = self._identity.recipient().text()
        file = os.open(self._folder / IDENTITY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(file, "w") as stream:
            stream.write(f"# Opens what the demo recorded.\n# public key: {recipient}\n{self._identity.text()}\n")
        key = self._cosigner.vkey.line()
        (self._folder / MIRROR_KEY).write_text(key + "\n")
        return Keys(recipient, key)

    def receive(self, delivery: Delivery) -> Answer:
        """Check, co-sign the last checkpoint, keep it."""
        try:
            return Answer(self._cosign(delivery))
        except EvidenceError as error:
            return Answer(refused=str(error))

    def _cosign(self, delivery: Delivery) -> int:
        spool, key = Path(delivery.spool), parse_vkey(delivery.device_key)
        options = Options(key=key, checkpoint=self._last, identities=(self._identity,))
        verdict = verify(spool, options).json
        wrong = [p for p in verdict["problems"] if p["kind"].startswith(STREAM_PROBLEMS)]
        if verdict["bytes_intact"]["answer"] != "yes" or verdict["signer"]["answer"] != "yes" or wrong:
            found = [problem["text"] for problem in verdict["problems"]]
            raise StoreRefused("the store co-signs nothing that is not whole; it found: " + " ".join(found[:3]))
        note = read_evidence(spool, key).logs[-1].note
        text = parse_note(note).text
        # One line more in the same note: the device's signature stays, the store's stands beside it.
        self._last = add_signature(note, self._cosigner.cosign(text, int(time.time())))
        (self._folder / CHECKPOINT).write_bytes(self._last)
        return parse_checkpoint(text).size


class StoreProcess:
    """The store as the rest of the demo sees it."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "agent.demo.store", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.keys = msgspec.json.decode(self._line(), type=Keys)

    def deliver(self, spool: Path, device_key: str) -> int:
        """Hand over a spool; the size that was co-signed. Raises StoreRefused."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(Delivery(str(spool), device_key)) + b"\n")
        self._process.stdin.flush()
        answer = msgspec.json.decode(self._line(), type=Answer)
        if answer.refused:
            raise StoreRefused(answer.refused)
        return answer.size

    def end(self) -> None:
        """The mirror key goes with the process."""
        self._process.kill()
        self._process.communicate()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise StoreRefused(f"the store ended (exit status {self._process.wait()}); what it said stands above")
        return line


def main(arguments: list[str]) -> int:
    """The process: answers until nobody asks any more."""
    store = Store(Path(arguments[0]))
    print(msgspec.json.encode(store.publish()).decode(), flush=True)
    for line in sys.stdin:
        answer = store.receive(msgspec.json.decode(line, type=Delivery))
        print(msgspec.json.encode(answer).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
