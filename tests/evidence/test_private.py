"""Private texts: sealed to the recipients, committed to, withheld without a trace in the commitment."""

import hashlib
import itertools
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import age, canonical, private
from agent.evidence.entries import MAX_ENTRY_BYTES, Annotate, Private


def draws(seed: object) -> Callable[[int], bytes]:
    return random.Random(repr(seed)).randbytes


def running_dry(at: int) -> Callable[[int], bytes]:
    """A source whose draw number ``at`` is a byte short."""
    calls = itertools.count()
    return lambda length: bytes(length - (next(calls) == at))


STORE = age.Identity.generate(draws("store"))
ESCROW = age.Identity.generate(draws("escrow"))
RECIPIENTS = [STORE.recipient(), ESCROW.recipient()]
NAME = "当事人 张三"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
@settings(max_examples=30, deadline=None)
def test_each_recipient_reads_the_text(text: str) -> None:
    sealed = private.seal_private(text, RECIPIENTS, draws(text))
    assert private.open_private(sealed, STORE) == private.open_private(sealed, ESCROW) == text
    private.check_private(sealed)


def test_the_example_of_the_page_opens_to_the_text_that_it_names() -> None:
    page = (Path(private.__file__).parent / "private.md").read_text("utf-8")
    (block,) = re.findall(r'"private": (\{.*?\})', page, re.DOTALL)
    (secret,) = re.findall(r"AGE-SECRET-KEY-1\w+", page)
    member = msgspec.json.decode(re.sub(r"\s+", "", block), type=Private)
    identity = age.parse_identity(secret)
    blind, text = page.split("is the commitment:\n\n")[1].splitlines()[0].split(maxsplit=1)
    assert private.open_private(member, identity) == text == NAME
    assert age.decrypt(canonical.unb64(member.age), [identity])[:16].hex() == blind
    with pytest.raises(age.AgeNoIdentity):
        private.open_private(member, STORE)


def test_nobody_else_reads_the_text() -> None:
    sealed = private.seal_private(NAME, RECIPIENTS, draws(1))
    with pytest.raises(age.AgeNoIdentity):
        private.open_private(sealed, age.Identity.generate(draws("stranger")))
    with pytest.raises(age.AgeNoIdentity):
        private.open_private(sealed)


def test_the_commitment_is_over_16_secret_bytes_and_the_text(tmp_path: Path) -> None:
    sealed = private.seal_private(NAME, RECIPIENTS, draws(2))
    (tmp_path / "identity").write_text(STORE.text())
    arguments = ["/usr/bin/age", "-d", "-i", str(tmp_path / "identity")]
    opened = subprocess.run(arguments, input=canonical.unb64(sealed.age), capture_output=True, check=True).stdout
    assert opened[16:].decode() == NAME
    assert hashlib.sha256(opened).digest() == canonical.unb64(sealed.sha256)


def test_the_same_text_twice_shows_two_commitments() -> None:
    source = draws(3)
    first, second = (private.seal_private(NAME, RECIPIENTS, source) for _ in range(2))
    assert first.sha256 != second.sha256
    assert first.sha256 != canonical.b64(hashlib.sha256(NAME.encode()).digest())


def test_a_withheld_text_keeps_its_commitment_and_is_named_as_withheld() -> None:
    sealed = private.seal_private(NAME, RECIPIENTS, draws(4))
    withheld = private.withhold(sealed)
    assert withheld == Private(sha256=sealed.sha256, age="") == private.withhold(withheld)
    private.check_private(withheld)
    with pytest.raises(private.PrivateWithheld):
        private.open_private(withheld, STORE)


def test_a_text_put_in_place_of_another_is_found() -> None:
    sealed = private.seal_private(NAME, RECIPIENTS, draws(5))
    other = private.seal_private("李四", RECIPIENTS, draws(6))
    with pytest.raises(private.PrivateForged):
        private.open_private(msgspec.structs.replace(sealed, age=other.age), STORE)
    with pytest.raises(private.PrivateForged):
        private.open_private(msgspec.structs.replace(sealed, sha256=other.sha256), STORE)


def test_an_altered_ciphertext_is_found() -> None:
    sealed = private.seal_private(NAME, RECIPIENTS, draws(7))
    data = bytearray(canonical.unb64(sealed.age))
    data[-1] ^= 1
    with pytest.raises(age.AgeError):
        private.open_private(msgspec.structs.replace(sealed, age=canonical.b64(bytes(data))), STORE)


GOOD = private.seal_private(NAME, RECIPIENTS, draws(8))
MALFORMED = {
    "a commitment of 31 bytes": Private(sha256=canonical.b64(bytes(31)), age=GOOD.age),
    "no commitment": Private(sha256="", age=GOOD.age),
    "a commitment with padding": Private(sha256=GOOD.sha256 + "=", age=GOOD.age),
    "a ciphertext that is no base64url": Private(sha256=GOOD.sha256, age=GOOD.age + "+"),
    "a ciphertext that is no age file": Private(sha256=GOOD.sha256, age=canonical.b64(NAME.encode())),
    "a ciphertext cut in its header": Private(sha256=GOOD.sha256, age=GOOD.age[:80]),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_member_of_another_shape_is_refused(what: str) -> None:
    with pytest.raises(private.PrivateMalformed):
        private.check_private(MALFORMED[what])
    with pytest.raises(private.PrivateMalformed):
        private.open_private(MALFORMED[what], STORE)


@pytest.mark.parametrize("opening", [b"", b"short", bytes(16) + b"\xff\xfe"])
def test_a_foreign_writer_s_opening_without_secret_bytes_or_utf8_is_refused(opening: bytes) -> None:
    sealed = canonical.b64(age.encrypt(opening, RECIPIENTS, draws(9)))
    foreign = Private(sha256=canonical.b64(hashlib.sha256(opening).digest()), age=sealed)
    with pytest.raises(private.PrivateMalformed, match="another program"):
        private.open_private(foreign, STORE)


def test_the_longest_text_fits_into_an_entry_and_a_longer_one_is_refused() -> None:
    recipients = [age.Identity.generate(draws(number)).recipient() for number in range(20)]
    text = "字" * (private.MAX_TEXT_BYTES // 3)
    entry = Annotate(private=private.seal_private(text, recipients, draws(10)))
    assert len(canonical.encode(entry)) <= MAX_ENTRY_BYTES - 1000
    with pytest.raises(private.PrivateTooLong):
        private.seal_private(text + "字", RECIPIENTS, draws(11))


def test_half_a_character_is_refused() -> None:
    with pytest.raises(private.PrivateMalformed):
        private.seal_private("\ud800", RECIPIENTS, draws(12))


def test_a_random_source_that_runs_dry_seals_nothing() -> None:
    for dry_at in range(5):
        with pytest.raises(age.AgeMisuse, match="random"):
            private.seal_private(NAME, RECIPIENTS, running_dry(dry_at))


def test_a_text_for_nobody_is_refused() -> None:
    with pytest.raises(age.AgeMisuse):
        private.seal_private(NAME, [], draws(13))
