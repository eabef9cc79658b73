"""Age files: our writer and reader against the vectors, stock ``age`` and ``pyrage``, cuts, flips and misuse."""

import base64
import copy
import hashlib
import importlib.util
import io
import itertools
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import age, bech32

STOCK_AGE = "/usr/bin/age"
VECTORS = Path(__file__).parents[1] / "vectors" / "age"
LENGTHS = st.sampled_from([0, 1, 65535, 65536, 65537, 131071, 131072, 131073]) | st.integers(0, 200_000)
# Every point of low order on Curve25519, and two spellings beyond the prime.
LOW_ORDER = {
    "zero": "00" * 32,
    "one": "01" + "00" * 31,
    "order eight, first": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "order eight, second": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "prime minus one": "ec" + "ff" * 30 + "7f",
    "prime": "ed" + "ff" * 30 + "7f",
    "prime plus one": "ee" + "ff" * 30 + "7f",
    "order eight with the top bit": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7",
}


def draws(seed: object) -> Callable[[int], bytes]:
    return random.Random(repr(seed)).randbytes


def identity(seed: object = "one") -> age.Identity:
    return age.Identity.generate(draws(seed))


def plaintext_of(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def stock_decrypt(sealed: bytes, secret: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    (folder / "identity.txt").write_text(secret + "\n")
    arguments = [STOCK_AGE, "-d", "-i", str(folder / "identity.txt")]
    return subprocess.run(arguments, input=sealed, capture_output=True, check=False)


def as_pyrage(*identities: age.Identity) -> list[pyrage.x25519.Identity]:
    return [pyrage.x25519.Identity.from_str(each.text()) for each in identities]


# --- vectors -----------------------------------------------------------------------------------------


def load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_age", VECTORS.parent / "make_age.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_age"] = module
    spec.loader.exec_module(module)
    return module


MAKER = load_maker()
FAULTS: dict[str, type[age.AgeError]] = {
    "not supported": age.AgeUnsupported,
    "header malformed": age.AgeMalformed,
    "header cut": age.AgeCut,
    "header forged": age.AgeForged,
    "no identity matches": age.AgeNoIdentity,
    "payload cut": age.AgeCut,
    "payload forged": age.AgeForged,
    "payload malformed": age.AgeMalformed,
}


class Vector:
    """One vector file, its lines put together to the bytes that they stand for."""

    def __init__(self, path: Path) -> None:
        head, _, body = path.read_text("ascii").partition("\n\n")
        self.fields = dict(line.split(": ", 1) for line in head.splitlines())
        self.expect = self.fields["expect"]
        self.identity = age.parse_identity(self.fields["identity"])
        self.payload_key = bytes.fromhex(self.fields["payload key"])
        self.file = b"".join(MAKER.built(line, self.payload_key) for line in body.splitlines())

    def described(self, data: bytes) -> str:
        return f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"


ALL_VECTORS = {path.stem.replace("_", " "): Vector(path) for path in sorted(VECTORS.glob("*.txt"))}
COMPARED = {name: vector for name, vector in ALL_VECTORS.items() if vector.expect != "not supported"}
# Where other programs may open what the format tells a reader to refuse, and we do refuse it.
STOPS_AT_THE_FIRST_MATCH = {
    "a malformed stanza behind a good one is refused",
    "a share of low order behind a good stanza is refused",
}
LEAVES_PASSPHRASES_TO_WHO_HAS_ONE = {
    "a passphrase behind a recipient is refused",
    "a passphrase before a recipient is refused",
}
TAKES_A_MISSING_BODY_LINE = {
    "a full body line without a last line is refused",
    "a last stanza without a body is refused",
    "a stanza without a body is refused",
}


def test_the_vectors_are_what_their_maker_writes() -> None:
    assert {path.name: path.read_text("ascii") for path in VECTORS.glob("*.txt")} == MAKER.vectors()
    assert all(vector.fields["file"] == vector.described(vector.file) for vector in ALL_VECTORS.values())
    assert len(ALL_VECTORS) >= 100


@pytest.mark.parametrize("name", ALL_VECTORS)
def test_a_vector_ends_as_it_says(name: str) -> None:
    vector = ALL_VECTORS[name]
    if "plaintext" not in vector.fields:
        with pytest.raises(age.AgeError) as raised:
            age.Reader(io.BytesIO(vector.file), [vector.identity])
        assert type(raised.value) is FAULTS[vector.expect]
        return
    reader = age.Reader(io.BytesIO(vector.file), [vector.identity])
    assert vector.described(b"".join(reader.chunks())) == vector.fields["plaintext"]
    assert str(reader.sealed_end) == vector.fields["sealed end"]
    assert reader.complete == (vector.expect == "opens") == (reader.problem == "")
    assert type(reader.fault) is FAULTS.get(vector.expect, type(None))


@pytest.mark.parametrize("name", [name for name, vector in ALL_VECTORS.items() if "plaintext" in vector.fields])
def test_a_vector_gives_its_payload_key(name: str) -> None:
    vector = ALL_VECTORS[name]
    unlocked = age.unlock(vector.file, [vector.identity])
    assert unlocked.payload_key == vector.payload_key
    assert unlocked.header_length == age.header_length(vector.file)


@pytest.mark.parametrize("name", COMPARED)
def test_stock_age_judges_a_vector_the_same(name: str, tmp_path: Path) -> None:
    vector = COMPARED[name]
    done = stock_decrypt(vector.file, vector.fields["identity"], tmp_path)
    if vector.expect == "opens":
        assert done.returncode == 0, done.stderr.decode()
        assert vector.described(done.stdout) == vector.fields["plaintext"]
    elif name not in STOPS_AT_THE_FIRST_MATCH | LEAVES_PASSPHRASES_TO_WHO_HAS_ONE:
        assert done.returncode != 0


@pytest.mark.parametrize("name", COMPARED)
def test_pyrage_judges_a_vector_the_same(name: str) -> None:
    vector = COMPARED[name]
    try:
        plaintext = pyrage.decrypt(vector.file, as_pyrage(vector.identity))
    except pyrage.DecryptError:
        assert vector.expect != "opens"
        return
    assert vector.expect == "opens" or name in STOPS_AT_THE_FIRST_MATCH | TAKES_A_MISSING_BODY_LINE
    if vector.expect == "opens":
        assert vector.described(plaintext) == vector.fields["plaintext"]


def test_the_armored_vector_is_one_that_stock_age_opens(tmp_path: Path) -> None:
    vector = ALL_VECTORS["an armored file is not supported"]
    assert stock_decrypt(vector.file, vector.fields["identity"], tmp_path).stdout == b"aaa"


def test_a_passphrase_file_is_named_as_not_supported() -> None:
    vector = ALL_VECTORS["a passphrase alone matches no identity"]
    with pytest.raises(age.AgeNoIdentity, match="passphrase"):
        age.decrypt(vector.file, [vector.identity])


@pytest.mark.parametrize("name", ["a share that is too short is refused", "a file key that is too long is refused"])
def test_a_wrong_length_is_named_as_such(name: str) -> None:
    with pytest.raises(age.AgeMalformed, match="length"):
        age.unlock(ALL_VECTORS[name].file, [ALL_VECTORS[name].identity])


def test_an_unknown_recipient_type_is_named() -> None:
    vector = ALL_VECTORS["a recipient type of later days alone matches no identity"]
    with pytest.raises(age.AgeNoIdentity, match="mlkem768x25519"):
        age.decrypt(vector.file, [vector.identity])


def page(name: str) -> str:
    return (Path(age.__file__).parent / name).read_text("utf-8")


def test_the_example_of_the_page_opens_and_its_parts_are_the_file(tmp_path: Path) -> None:
    text = page("age.md")
    secret = next(line.strip() for line in text.splitlines() if line.startswith("    AGE-SECRET-KEY-1"))
    sealed = base64.b64decode(text.split("<<END")[1].split("\n", 1)[1].split("END")[0])
    assert stock_decrypt(sealed, secret, tmp_path).stdout == b"Seen by nobody but the store.\n"
    assert age.decrypt(sealed, [age.parse_identity(secret)]) == b"Seen by nobody but the store.\n"
    parts = text.split("in its parts.")[1].split("\n\n")[1].splitlines()
    shown = [re.split(r" {3,}", part.strip())[0] for part in parts]
    assert "\n".join(shown[:4]).encode() + b"\n" + bytes.fromhex("".join(shown[4:])) == sealed


def test_the_vector_on_the_page_is_one_of_the_folder() -> None:
    shown = (VECTORS / "two_chunks.txt").read_text("ascii").splitlines()
    assert "\n".join(f"    {line}" if line else "" for line in shown) in page("age.md")
    assert all(f"`{vector.expect}`" in page("age.md") for vector in ALL_VECTORS.values())


# --- keys --------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_keys_are_written_and_read_as_pyrage_does(secret: bytes) -> None:
    ours = age.Identity(secret)
    theirs = pyrage.x25519.Identity.from_str(ours.text())
    assert ours.recipient().text() == str(theirs.to_public())
    assert age.parse_identity(str(theirs)) == ours
    assert age.parse_recipient(str(theirs.to_public())) == ours.recipient()


@given(st.integers(0, 61), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l1bio-"))
@settings(max_examples=100, deadline=None)
def test_one_mistyped_character_of_a_recipient_is_found(place: int, character: str) -> None:
    text = identity().recipient().text()
    wrong = text[:place] + character + text[place + 1 :]
    if wrong != text:
        with pytest.raises(age.AgeKeyMalformed):
            age.parse_recipient(wrong)


SECRET = identity().text()
PUBLIC = identity().recipient().text()
WRONG_KEYS = {
    "mixed case": PUBLIC[:-1] + PUBLIC[-1:].upper() if PUBLIC[-1].isalpha() else PUBLIC[:-2] + PUBLIC[-2:].upper(),
    "recipient in upper case": PUBLIC.upper(),
    "an identity": SECRET,
    "cut by a character": PUBLIC[:-1],
    "a character too many": PUBLIC + "q",
    "white space behind": PUBLIC + "\n",
    "nothing": "",
    "only the readable part": "age1",
    "no readable part": PUBLIC[3:],
    "another readable part": bech32.encode("agf", identity().recipient().public),
    "31 bytes": bech32.encode("age", identity().recipient().public[:31]),
    "33 bytes": bech32.encode("age", identity().recipient().public + b"\0"),
    "a letter beyond ASCII": "é" + PUBLIC,
    "a plugin's recipient": bech32.encode("age1yubikey", bytes(33)),
}


@pytest.mark.parametrize("what", WRONG_KEYS)
def test_a_text_that_is_no_recipient_is_refused(what: str) -> None:
    with pytest.raises(age.AgeKeyMalformed):
        age.parse_recipient(WRONG_KEYS[what])


def test_bits_left_over_at_the_end_of_a_key_are_refused() -> None:
    # 52 groups of five bits hold 256 bits and four more, which must be zero; the checksum itself is right.
    groups = bech32._regroup(bytes(32), 8, 5, pad=True)
    groups[-1] |= 1
    rest = bech32._polymod(bech32._expand("age") + groups + [0] * 6) ^ 1
    checksum = [rest >> 5 * (5 - place) & 31 for place in range(6)]
    text = "age1" + "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[group] for group in groups + checksum)
    with pytest.raises(age.AgeKeyMalformed, match="does not end on a byte"):
        age.parse_recipient(text)


@pytest.mark.parametrize(
    "text", [SECRET.lower(), SECRET[:-1], SECRET[:-1] + "!", PUBLIC, SECRET[:20] + SECRET[20:].lower()]
)
def test_a_text_that_is_no_identity_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(age.AgeKeyMalformed) as raised:
        age.parse_identity(text)
    assert text[20:40].lower() not in str(raised.value).lower()


def test_an_identity_does_not_show_its_secret() -> None:
    assert repr(identity()) == "Identity()"


def test_an_identity_file_of_age_keygen_is_read(tmp_path: Path) -> None:
    made = subprocess.run(["/usr/bin/age-keygen"], capture_output=True, check=True, text=True)
    (first,) = age.parse_identities(made.stdout)
    assert first.recipient().text() in made.stderr
    assert age.parse_identities(f"# two\n{SECRET}\n\n  {first.text()}\n") == (identity(), first)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "AGE-PLUGIN-YUBIKEY-1QQQQQQ\n"])
def test_an_identity_file_without_a_usable_identity_is_refused(text: str) -> None:
    with pytest.raises(age.AgeKeyMalformed):
        age.parse_identities(text)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_recipient_of_low_order_is_refused_before_a_file_depends_on_it(point: str) -> None:
    public = bytes.fromhex(LOW_ORDER[point])
    with pytest.raises(age.AgeKeyMalformed, match="low-order"):
        age.Recipient(public)
    with pytest.raises(age.AgeKeyMalformed, match="low-order"):
        age.parse_recipient(bech32.encode("age", public))


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_share_of_low_order_is_refused_by_the_reader(point: str) -> None:
    draft = MAKER.Draft(point)
    header = draft.header(draft.low_order(bytes.fromhex(LOW_ORDER[point])))
    with pytest.raises(age.AgeMalformed, match="low-order"):
        age.unlock(header + bytes(16), [age.Identity(draft.secret)])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(age.AgeKeyMalformed):
        age.Recipient(bytes(length))
    with pytest.raises(age.AgeKeyMalformed):
        age.Identity(bytes(length))


# --- both ways with other programs ---------------------------------------------------------------------


@given(LENGTHS)
@settings(max_examples=30, deadline=None)
def test_pyrage_opens_what_we_seal_and_we_open_what_it_seals(length: int) -> None:
    plaintext, key = plaintext_of(length), identity(length)
    sealed = age.encrypt(plaintext, [key.recipient()], draws(length))
    assert pyrage.decrypt(sealed, as_pyrage(key)) == plaintext
    theirs = pyrage.encrypt(plaintext, [pyrage.x25519.Recipient.from_str(key.recipient().text())])
    assert age.decrypt(theirs, [key]) == plaintext


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 131072, 200_000])
def test_stock_age_opens_what_we_seal_and_we_open_what_it_seals(length: int, tmp_path: Path) -> None:
    plaintext, key = plaintext_of(length), identity(length)
    sealed = age.encrypt(plaintext, [key.recipient()], draws(length))
    opened = stock_decrypt(sealed, key.text(), tmp_path)
    assert (opened.returncode, opened.stdout) == (0, plaintext), opened.stderr.decode()
    arguments = [STOCK_AGE, "-r", key.recipient().text()]
    theirs = subprocess.run(arguments, input=plaintext, capture_output=True, check=True).stdout
    assert age.decrypt(theirs, [key]) == plaintext
    assert len(theirs) == age.sealed_length(length, age.header_length(theirs))


def test_each_of_several_recipients_opens_the_file(tmp_path: Path) -> None:
    keys = [identity(number) for number in range(4)]
    sealed = age.encrypt(b"seen", [key.recipient() for key in keys], draws("several"))
    for key in keys:
        assert age.decrypt(sealed, [identity("other"), key]) == b"seen"
        assert pyrage.decrypt(sealed, as_pyrage(key)) == b"seen"
        assert stock_decrypt(sealed, key.text(), tmp_path).stdout == b"seen"
    with pytest.raises(age.AgeNoIdentity):
        age.decrypt(sealed, [identity("other")])
    with pytest.raises(age.AgeNoIdentity):
        age.decrypt(sealed, [])


def test_a_counter_beyond_one_byte_is_big_endian() -> None:
    plaintext = plaintext_of(258 * age.CHUNK_BYTES + 5)
    sealed = age.encrypt(plaintext, [identity().recipient()], draws("long"))
    assert pyrage.decrypt(sealed, as_pyrage(identity())) == plaintext


# --- sealing -------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 150_000), max_size=5))
@settings(max_examples=30, deadline=None)
def test_pieces_of_any_size_give_the_same_file(sizes: list[int]) -> None:
    plaintext, recipients = plaintext_of(sum(sizes)), [identity().recipient()]
    writer = age.Writer(recipients, draws("pieces"))
    sealed, start = b"", 0
    for size in sizes:
        sealed += writer.feed(memoryview(plaintext)[start : start + size])
        start += size
    assert sealed + writer.finish() == age.encrypt(plaintext, recipients, draws("pieces"))


@given(LENGTHS, st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_lengths_are_known_beforehand(length: int, count: int) -> None:
    recipients = [identity(number).recipient() for number in range(count)]
    sealed = age.encrypt(plaintext_of(length), recipients, draws(length))
    header = age.header_length(sealed)
    assert len(sealed) == age.sealed_length(length, header)
    assert age.whole_chunks(len(sealed), header) == len(sealed[header:]) // age.SEALED_CHUNK_BYTES
    boundary = age.sealed_boundary(length, header)
    assert 0 <= boundary - len(sealed) + age.TAG_BYTES * (length == 0) < age.SEALED_CHUNK_BYTES
    assert (boundary - header) % age.SEALED_CHUNK_BYTES == 0


def test_random_bytes_are_drawn_anew_for_every_file() -> None:
    source = draws("stream")
    first, first_key = age.header_and_payload_key([identity().recipient()] * 2, source)
    second, second_key = age.header_and_payload_key([identity().recipient()] * 2, source)
    assert first_key != second_key and first[-16:] != second[-16:]
    assert len({line for line in (first + second).splitlines() if line.startswith(b"->")}) == 4


def test_a_header_for_nobody_is_refused() -> None:
    with pytest.raises(age.AgeMisuse, match="recipient"):
        age.header_and_payload_key([], draws(1))


def test_a_random_source_that_runs_dry_is_refused() -> None:
    with pytest.raises(age.AgeMisuse, match="random"):
        age.header_and_payload_key([identity().recipient()], lambda length: bytes(length - 1))


def test_a_sealer_gives_each_counter_once() -> None:
    sealer = age.ChunkSealer(bytes(32))
    sealed = [sealer.seal(bytes(age.CHUNK_BYTES), last=False) for _ in range(4)] + [sealer.seal(b"\0", last=True)]
    # Sealed zeros are the key stream itself: a counter taken again would show it again.
    assert len({chunk[:1024] for chunk in sealed[:4]}) == 4
    assert sealer.counter == 5 and sealer.finished


@pytest.mark.parametrize("last", [True, False])
def test_a_sealer_is_dead_after_its_last_chunk(last: bool) -> None:
    sealer = age.ChunkSealer(bytes(32))
    sealer.seal(b"end", last=True)
    with pytest.raises(age.AgeMisuse, match="new file key"):
        sealer.seal(bytes(age.CHUNK_BYTES), last=last)


def test_a_sealer_is_dead_after_a_call_that_failed_inside() -> None:
    sealer = age.ChunkSealer(bytes(32))
    with pytest.raises(BufferError):
        sealer.seal(memoryview(bytes(2 * age.CHUNK_BYTES))[::2], last=False)
    with pytest.raises(age.AgeMisuse, match="new file key"):
        sealer.seal(bytes(age.CHUNK_BYTES), last=False)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_sealer_cannot_be_doubled(duplicate: Callable[[object], object]) -> None:
    with pytest.raises(age.AgeMisuse, match="copied"):
        duplicate(age.ChunkSealer(bytes(32)))


@pytest.mark.parametrize(("length", "last"), [(0, False), (1, False), (65535, False), (65537, False), (65537, True)])
def test_a_chunk_of_a_forbidden_length_is_refused_and_takes_no_counter(length: int, last: bool) -> None:
    sealer = age.ChunkSealer(bytes(32))
    with pytest.raises(age.AgeMisuse, match="chunk"):
        sealer.seal(bytes(length), last=last)
    assert sealer.counter == 0 and not sealer.finished


def test_an_empty_last_chunk_behind_others_is_refused() -> None:
    sealer = age.ChunkSealer(bytes(32))
    sealer.seal(bytes(age.CHUNK_BYTES), last=False)
    with pytest.raises(age.AgeMisuse):
        sealer.seal(b"", last=True)
    sealer.seal(b"\0" * 8, last=True)


def test_a_view_of_wide_items_is_measured_in_bytes() -> None:
    with pytest.raises(age.AgeMisuse):
        age.ChunkSealer(bytes(32)).seal(memoryview(bytes(4 * age.CHUNK_BYTES)).cast("I"), last=False)


def test_bytes_bytearray_and_view_are_sealed_alike() -> None:
    chunk = plaintext_of(age.CHUNK_BYTES)
    kinds = (chunk, bytearray(chunk), memoryview(chunk))
    assert len({age.ChunkSealer(bytes(32)).seal(kind, last=False) for kind in kinds}) == 1


def test_a_finished_writer_takes_nothing_more() -> None:
    writer = age.Writer([identity().recipient()], draws(1))
    writer.finish()
    with pytest.raises(age.AgeMisuse):
        writer.finish()
    with pytest.raises(age.AgeMisuse):
        writer.feed(b"more")


# --- cuts and damage ------------------------------------------------------------------------------------

PLAINTEXT = plaintext_of(2 * age.CHUNK_BYTES + 30_000)
SEALED = age.encrypt(PLAINTEXT, [identity().recipient(), identity("escrow").recipient()], draws("cut"))
HEADER = age.header_length(SEALED)
BOUNDARIES = [HEADER, HEADER + age.SEALED_CHUNK_BYTES, HEADER + 2 * age.SEALED_CHUNK_BYTES, len(SEALED)]


def test_a_cut_in_the_header_is_named_at_every_byte() -> None:
    for end in range(HEADER):
        with pytest.raises(age.AgeCut):
            age.read(io.BytesIO(SEALED[:end]), [identity()])
        with pytest.raises(age.AgeCut):
            age.header_length(SEALED[:end])


def test_a_cut_gives_every_whole_chunk_before_it_and_says_where_it_ended() -> None:
    around = [boundary + offset for boundary in BOUNDARIES for offset in (*range(-18, 19), 30_000)]
    for end in sorted(end for end in around if HEADER <= end < len(SEALED)):
        whole = (end - HEADER) // age.SEALED_CHUNK_BYTES
        opened = age.read(io.BytesIO(SEALED[:end]), [identity("escrow")])
        assert opened.plaintext == PLAINTEXT[: whole * age.CHUNK_BYTES]
        assert opened.plaintext_length == whole * age.CHUNK_BYTES
        assert opened.sealed_end == HEADER + whole * age.SEALED_CHUNK_BYTES
        assert not opened.complete and opened.problem
        with pytest.raises(age.AgeCut):
            age.decrypt(SEALED[:end], [identity()])


@given(st.integers(0, len(SEALED) - 1), st.integers(0, 7))
@settings(max_examples=80, deadline=None)
def test_a_flipped_bit_anywhere_is_found_and_only_chunks_before_it_are_given(at: int, bit: int) -> None:
    altered = SEALED[:at] + bytes([SEALED[at] ^ 1 << bit]) + SEALED[at + 1 :]
    try:
        opened = age.read(io.BytesIO(altered), [identity()])
    except age.AgeError:
        assert at < HEADER
        return
    if at >= HEADER - age.NONCE_BYTES:
        before = max(0, at - HEADER) // age.SEALED_CHUNK_BYTES
        assert opened.plaintext == PLAINTEXT[: before * age.CHUNK_BYTES]
    assert not opened.complete and opened.problem


class Dripping(io.RawIOBase):
    """A stream that gives what it likes, as a pipe or socket does."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.at = data, sizes, 0

    def read(self, length: int = -1, /) -> bytes:
        self.sizes = [*self.sizes[1:], self.sizes[0]]
        piece = self.data[self.at : self.at + min(length, self.sizes[0])]
        self.at += len(piece)
        return piece


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=6), st.integers(HEADER, len(SEALED)))
@settings(max_examples=30, deadline=None)
def test_a_stream_may_give_its_bytes_in_any_pieces(sizes: list[int], end: int) -> None:
    sizes[0] = max(sizes[0], 500)
    assert age.read(Dripping(SEALED[:end], sizes), [identity()]) == age.read(io.BytesIO(SEALED[:end]), [identity()])


def test_a_chunk_is_opened_by_its_number_alone() -> None:
    opener = age.ChunkOpener(age.unlock(SEALED, [identity()]).payload_key)
    slots = [SEALED[start:end] for start, end in itertools.pairwise(BOUNDARIES)]
    assert opener.open(1, slots[1], last=False) == PLAINTEXT[age.CHUNK_BYTES : 2 * age.CHUNK_BYTES]
    assert opener.open(2, slots[2], last=True) == PLAINTEXT[2 * age.CHUNK_BYTES :]
    assert opener.open(0, slots[1], last=False) is None
    assert opener.open(1, slots[1], last=True) is None
    assert opener.open(1, b"short", last=False) is None


@given(st.binary(max_size=400), st.integers(0, HEADER))
@settings(max_examples=150, deadline=None)
def test_hostile_bytes_end_in_a_named_error(tail: bytes, kept: int) -> None:
    with pytest.raises(age.AgeError):
        age.decrypt(SEALED[:kept] + tail, [identity()])


def test_a_header_without_end_is_refused() -> None:
    flood = b"age-encryption.org/v1\n" + b"-> grease\n\n" * 20_000
    with pytest.raises(age.AgeMalformed, match="longer than 65536"):
        age.Reader(io.BytesIO(flood), [identity()])
    with pytest.raises(age.AgeMalformed, match="longer than 65536"):
        age.header_length(b"age-encryption.org/v1\n-> " + b"a" * 70_000)


def test_a_header_of_hundreds_of_recipients_is_read() -> None:
    recipients = [identity("other").recipient()] * 600 + [identity().recipient()]
    assert age.decrypt(age.encrypt(b"x", recipients, draws("many")), [identity()]) == b"x"


# --- what was written of a preallocated file -------------------------------------------------------------


def reader_of(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, length: data[offset : offset + length]


@given(st.integers(HEADER, len(SEALED)), st.integers(0, 300_000))
@settings(max_examples=60, deadline=None)
def test_recovery_keeps_every_whole_chunk_of_a_preallocated_file(torn_at: int, reserved: int) -> None:
    data = SEALED[:torn_at] + bytes(reserved)
    end = age.written_length(len(data), HEADER, reader_of(data))
    assert torn_at <= end <= len(data)
    assert end == len(data) or (end - HEADER) % age.SEALED_CHUNK_BYTES == 0
    assert end - torn_at < age.SEALED_CHUNK_BYTES
    whole = (torn_at - HEADER) // age.SEALED_CHUNK_BYTES * age.CHUNK_BYTES
    assert age.read(io.BytesIO(data[:end]), [identity()]).plaintext[:whole] == PLAINTEXT[:whole]
    assert age.written_length(end, HEADER, reader_of(data)) == end


def test_zeros_at_the_end_of_a_sealed_chunk_are_not_cut() -> None:
    data = bytes(100) + b"\x01" + bytes(age.SEALED_CHUNK_BYTES - 1) + bytes(2 * age.SEALED_CHUNK_BYTES + 77)
    assert age.written_length(len(data), 100, reader_of(data)) == 100 + age.SEALED_CHUNK_BYTES


def test_zeros_before_a_written_chunk_are_not_cut() -> None:
    data = bytes(100) + bytes(age.SEALED_CHUNK_BYTES * 2) + b"\x01" + bytes(9)
    assert age.written_length(len(data), 100, reader_of(data)) == len(data)


@pytest.mark.parametrize(("size", "left"), [(0, 0), (99, 99), (100, 100), (101, 100), (70_000, 100), (65_652, 100)])
def test_a_file_of_zeros_is_cut_to_its_header(size: int, left: int) -> None:
    assert age.written_length(size, 100, reader_of(bytes(size))) == left


def test_only_the_unwritten_end_is_read() -> None:
    data = SEALED[: BOUNDARIES[2]] + bytes(3 * age.SEALED_CHUNK_BYTES)
    offsets: list[int] = []

    def read(offset: int, length: int) -> bytes:
        offsets.append(offset)
        return data[offset : offset + length]

    assert age.written_length(len(data), HEADER, read) == BOUNDARIES[2]
    assert min(offsets) == BOUNDARIES[1] and len(offsets) == 4


def test_a_file_that_shrinks_meanwhile_is_named() -> None:
    with pytest.raises(age.AgeCut, match="shorter"):
        age.written_length(70_000, 100, reader_of(bytes(69_000)))
