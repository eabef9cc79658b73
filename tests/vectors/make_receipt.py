"""Writes the receipt vectors (``tests/vectors/receipt/*.txt``), with primitives only: no line of ``agent``.

Statements are spelled and signed here by the words of ``agent/evidence/receipt.md``, which also explains the lines of
a vector. A run writes the same bytes again, and a test compares.

    python tests/vectors/make_receipt.py        # writes the folder anew
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER = Path(__file__).parent / "receipt"
FILE = "s000012/bwc-1_012345_20261124083000_000001.mp4.age"
HASH = base64.b64encode(hashlib.sha256(b"the sealed file").digest()).decode()


class Key:
    """An Ed25519 key whose seed is one byte 32 times."""

    def __init__(self, name: str, byte: int, algorithm: int = 1) -> None:
        self.name, self.algorithm = name, bytes([algorithm])
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([byte]) * 32)
        self._public = self._private.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + self.algorithm + self._public).digest()[:4]

    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.algorithm + self._public).decode()}"

    def line(self, text: str, time_s: int = 1764000000) -> str:
        if self.algorithm == b"\4":
            signed = self._private.sign(f"cosignature/v1\ntime {time_s}\n{text}".encode())
            signature = time_s.to_bytes(8, "big") + signed
        else:
            signature = self._private.sign(text.encode())
        return f"— {self.name} {base64.b64encode(self.id + signature).decode()}\n"


DEVICE = Key("liuhen/bwc-1", 1)
STORE = Key("store.example/receipts", 2)
MIRROR = Key("mirror.example/m1", 5, 4)
BUREAU = Key("bureau.example/commands", 8)
IMPOSTOR = Key("store.example/receipts", 9)
TRUSTED = (("device-key", DEVICE), ("mirror-key", MIRROR), ("receipt-key", STORE), ("command-key", BUREAU))

RECEIPT = {
    "": "liuhen/receipt/v1",
    "origin": "liuhen/bwc-1/1",
    "file": FILE,
    "bytes": "30408704",
    "sha256": HASH,
    "time": "1764000000",
    "opened": "yes",
}
COMMAND = {"origin": "liuhen/bwc-1/1", "number": "7", "time": "1764000000", "expires": "1764086400"}
HOLD = {
    "": "liuhen/hold/v1",
    **COMMAND,
    "session": "s000012",
    "held": "yes",
    "by": "王五 (021187)",
    "reason": "行政处罚案件证据",
}
WAIVER = {
    "": "liuhen/carrier-waiver/v1",
    **COMMAND,
    "session": "s000012",
    "by": "李四 (020034)",
    "reason": "执法记录仪需继续使用，保存原始载体确有困难",
    "instead": "disc",
    "named": "2026-0115",
    "copies": "2",
}
ACKNOWLEDGEMENT = {"": "liuhen/acknowledgement/v1", **COMMAND, "alarm": "3", "by": "张三"}


def spell(lines: dict[str, str]) -> str:
    return "".join(f"{word} {value}\n" if word else f"{value}\n" for word, value in lines.items())


def without(lines: dict[str, str], word: str) -> dict[str, str]:
    return {key: value for key, value in lines.items() if key != word}


@dataclass
class Vector:
    """A statement's text, who signs it, and what becomes of it."""

    name: str
    text: str
    expect: str
    signers: tuple[Key, ...] = (STORE,)
    says: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    signed_text: str = ""
    """What the signatures are over, where it is another text."""

    def encode(self) -> bytes:
        lines = [f"expect: {self.expect}", *([f"says: {self.says}"] if self.says else [])]
        lines += [f"{role}: {key.vkey()}" for role, key in TRUSTED]
        if self.expect == "success":
            lines += [f"signed-by: {self.signers[-1].name}"]
        lines += [f"{key}: {value}" for key, value in self.headers]
        note = self.text + "\n" + "".join(key.line(self.signed_text or self.text) for key in self.signers)
        return ("\n".join(lines) + "\n\n" + note).encode()


def good_statements() -> Iterator[Vector]:
    yield Vector("a-receipt", spell(RECEIPT), "success")
    yield Vector("a-receipt-of-a-store-that-did-not-open-the-file", spell({**RECEIPT, "opened": "no"}), "success")
    yield Vector(
        "a-receipt-for-a-file-of-an-important-session",
        spell({**RECEIPT, "file": FILE.replace("_000001", "_000001_IMP")}),
        "success",
    )
    yield Vector("a-receipt-that-an-unknown-key-signed-too", spell(RECEIPT), "success", (IMPOSTOR, STORE))
    yield Vector("a-receipt-that-a-key-of-another-role-signed-too", spell(RECEIPT), "success", (BUREAU, STORE))
    yield Vector("a-hold", spell(HOLD), "success", (BUREAU,))
    yield Vector("a-hold-is-lifted", spell({**HOLD, "number": "8", "held": "no"}), "success", (BUREAU,))
    yield Vector("a-waiver-for-a-disc-in-the-case-file", spell(WAIVER), "success", (BUREAU,))
    decision = {**WAIVER, "instead": "decision", "named": "金普住建〔2026〕3号", "copies": "0"}
    yield Vector("a-waiver-by-a-standing-decision", spell(decision), "success", (BUREAU,))
    yield Vector("an-acknowledgement", spell(ACKNOWLEDGEMENT), "success", (BUREAU,))
    last = {**HOLD, "time": "1764000000", "expires": str(1764000000 + 7 * 86400)}
    yield Vector("a-command-that-lives-for-seven-days", spell(last), "success", (BUREAU,))


def foreign_keys() -> Iterator[Vector]:
    receipt, hold = spell(RECEIPT), spell(HOLD)
    yield Vector("a-receipt-of-an-unknown-key", receipt, "untrusted", (IMPOSTOR,), "no key that this device trusts")
    says = "bureau.example/commands, which is trusted as command key"
    yield Vector("a-receipt-signed-by-a-commander", receipt, "role", (BUREAU,), says)
    yield Vector("a-receipt-signed-by-a-mirror", receipt, "role", (MIRROR,), "trusted as mirror key")
    yield Vector("a-receipt-signed-by-the-device-itself", receipt, "role", (DEVICE,), "trusted as device key")
    says = "store.example/receipts, which is trusted as receipt key"
    yield Vector("a-hold-signed-by-the-store", hold, "role", (STORE,), says)
    yield Vector("a-waiver-signed-by-the-store", spell(WAIVER), "role", (STORE,), says)
    yield Vector("an-acknowledgement-signed-by-the-store", spell(ACKNOWLEDGEMENT), "role", (STORE,), says)


def changed_after_signing() -> Iterator[Vector]:
    changes = {
        "another-size": ("30408704", "30408705"),
        "another-device": ("bwc-1/1", "bwc-2/1"),
        "another-generation": ("bwc-1/1", "bwc-1/2"),
        "opened-yes-for-no": ("opened no", "opened yes"),
    }
    signed = spell({**RECEIPT, "opened": "no"})
    for name, (old, new) in changes.items():
        yield Vector(f"a-receipt-changed-to-{name}", signed.replace(old, new), "forged", signed_text=signed)
    yield Vector(
        "a-hold-changed-to-another-session",
        spell({**HOLD, "session": "s000013"}),
        "forged",
        (BUREAU,),
        signed_text=spell(HOLD),
    )


def bad_lines() -> Iterator[Vector]:
    def receipt(name: str, says: str, **changed: str) -> Vector:
        return Vector(f"a-receipt-{name}", spell({**RECEIPT, **changed}), "malformed", says=says)

    def hold(name: str, says: str, **changed: str) -> Vector:
        return Vector(f"a-hold-{name}", spell({**HOLD, **changed}), "malformed", (BUREAU,), says)

    yield Vector("a-kind-of-another-version", spell({**RECEIPT, "": "liuhen/receipt/v2"}), "malformed", says="no kind")
    yield Vector("a-receipt-without-its-hash", spell(without(RECEIPT, "sha256")), "malformed", says="6 lines")
    yield Vector("a-receipt-with-a-line-more", spell({**RECEIPT, "note": "x"}), "malformed", says="6 lines")
    swapped = {word: RECEIPT[word] for word in ("", "origin", "bytes", "file", "sha256", "time", "opened")}
    yield Vector("a-receipt-with-two-lines-swapped", spell(swapped), "malformed", says="where its file belongs")
    doubled = spell(RECEIPT).replace("bytes 3", "bytes  3")
    yield Vector("a-receipt-with-two-spaces-after-a-word", doubled, "malformed", says="a plain decimal number")
    yield Vector(
        "a-receipt-with-a-word-in-capitals",
        spell(RECEIPT).replace("bytes", "Bytes"),
        "malformed",
        says="where its bytes belongs",
    )
    yield receipt("for-no-bytes", "0 bytes", bytes="0")
    yield receipt("whose-size-has-a-leading-zero", "a plain decimal number", bytes="030408704")
    yield receipt("whose-size-has-full-width-digits", "a plain decimal number", bytes="３０４０")
    yield receipt("whose-size-is-2-to-the-53", "2^53 - 1", bytes=str(2**53))
    yield receipt("whose-hash-is-in-hex", "32 bytes", sha256=hashlib.sha256(b"").hexdigest())
    yield receipt("whose-hash-has-31-bytes", "32 bytes", sha256=base64.b64encode(bytes(31)).decode())
    yield receipt("whose-hash-has-unused-bits-set", "32 bytes", sha256=HASH[:-2] + chr(ord(HASH[-2]) + 1) + "=")
    yield receipt("that-opened-the-file-perhaps", "yes or no", opened="maybe")
    yield receipt("for-a-file-outside-the-folder", "a file's path", file="s000012/../device.key")
    yield receipt("for-a-file-of-no-session", "a file's path", file="a_0_20261124083000_000001.mp4.age")
    yield receipt("for-a-hidden-file", "a file's path", file="s000012/.hidden")
    yield receipt("of-an-origin-with-a-leading-zero", "liuhen/<device>", origin="liuhen/bwc-1/01")
    yield receipt("of-another-product", "liuhen/<device>", origin="other/bwc-1/1")
    yield hold("of-no-session", "a session's id", session="12")
    yield hold("of-a-session-with-a-needless-zero", "a session's id", session="s0000012")
    yield hold("by-nobody", "1 to 500 characters", by="")
    yield hold("with-a-space-behind-the-name", "1 to 500 characters", by="王五 ")
    yield hold("with-a-letter-that-turns-the-line-around", "unseen", by="王五\u202e021187")
    yield hold("with-a-letter-of-no-width", "unseen", by="王\u200b五")
    yield hold("with-a-reason-of-501-characters", "1 to 500 characters", reason="因" * 501)
    yield hold("that-expires-before-its-time", "a command lives", expires="1763999999")
    yield hold("that-never-lives", "a command lives", expires="1764000000")
    yield hold("that-lives-a-second-longer-than-seven-days", "a command lives", expires=str(1764000001 + 7 * 86400))
    waiver = {**WAIVER, "copies": "0"}
    yield Vector("a-waiver-for-a-disc-without-copies", spell(waiver), "malformed", (BUREAU,), "0 copies")
    waiver = {**WAIVER, "instead": "usb stick"}
    yield Vector("a-waiver-for-a-usb-stick", spell(waiver), "malformed", (BUREAU,), "disc or decision")
    alarm = {**ACKNOWLEDGEMENT, "alarm": "-1"}
    yield Vector("an-acknowledgement-of-a-negative-alarm", spell(alarm), "malformed", (BUREAU,), "a plain decimal")


def all_vectors() -> Iterator[Vector]:
    yield from good_statements()
    yield from foreign_keys()
    yield from changed_after_signing()
    yield from bad_lines()


def write(folder: Path) -> None:
    """Writes every vector and removes those that are no longer made."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"{vector.name}.txt": vector.encode() for vector in all_vectors()}
    for path in folder.glob("*.txt"):
        if path.name not in made:
            path.unlink()
    for name, data in made.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    write(FOLDER)
