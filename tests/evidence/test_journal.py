"""The journal: lines, streams, files, and what hostile or unlucky bytes do to them."""

import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import canonical
from agent.evidence import journal_reading as reading_module
from agent.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from agent.evidence.entries import MAX_ENTRY_BYTES, Entry
from agent.evidence.errors import EvidenceError
from agent.evidence.journal import (
    EntryMalformed,
    FileReading,
    HeaderMalformed,
    Joined,
    Joiner,
    JournalError,
    Log,
    StreamBroken,
    StreamHead,
    Streams,
    decode_checkpoint_line,
    decode_entry,
    decode_header,
    encode_checkpoint_line,
    encode_entry,
    encode_header,
    join,
    read_file,
)
from agent.evidence.note import parse_vkey
from agent.evidence.tree import Frontier, leaf_hash, root_of
from tests.evidence.journals import (
    ENTRY_TYPES,
    KEY,
    ORIGIN,
    SIGNER,
    STRANGER,
    a_file,
    boot,
    header_with,
    lines_of,
    mark,
    salt,
    structs,
    three_flushes,
    two_files,
    written,
)
from tests.vector_files import FOLDER, Vector, vectors
from tests.vectors import make_journal

FILE = a_file()
LINES = lines_of(FILE)  # header, checkpoint, then three times: two entries, checkpoint
MARK = encode_entry(mark(1))


def is_whole(reading: FileReading) -> bool:
    return reading.tail is None and not reading.damage and reading.attested_bytes == reading.length_bytes


def indices(reading: FileReading) -> list[int | None]:
    return [line.index for line in reading.entries()]


def texts(reading: FileReading | Joined) -> str:
    return "\n".join(damage.text for damage in reading.damage)


def both(data: bytes) -> FileReading:
    """Reads with all signatures and with the last; they must agree on what matters."""
    every, last = read_file(data, KEY), read_file(data, KEY, "last")
    assert (every.attested_bytes, every.tail, bool(every.damage)) == (last.attested_bytes, last.tail, bool(last.damage))
    return every


# --- lines -------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.sampled_from(ENTRY_TYPES).flatmap(structs))
def test_every_entry_comes_back_as_it_was_written(entry: Entry) -> None:
    line = encode_entry(entry)
    assert decode_entry(line) == entry
    assert encode_entry(decode_entry(line)) == line
    assert b"\n" not in line


@pytest.mark.parametrize("kind", ENTRY_TYPES)
def test_no_entry_holds_a_list_of_integers(kind: type[Entry]) -> None:
    """The quick look for long numbers expects each after a colon."""
    assert "list[int]" not in str(msgspec.json.schema(kind)) and '"items": {"type": "integer"' not in str(
        msgspec.json.schema(kind)
    ).replace("'", '"')


MALFORMED = {
    "empty": b"",
    "white space after a colon": MARK.replace(b'"at_us":1', b'"at_us": 1'),
    "a space at the end": MARK + b" ",
    "a carriage return at the end": MARK + b"\r",
    "keys out of order": b'{"type":"mark",' + MARK[1:].replace(b',"type":"mark"', b""),
    "a key twice": MARK.replace(b'"boot":1', b'"boot":1,"boot":1'),
    "a key twice with another value first": MARK.replace(b'"boot":1', b'"boot":2,"boot":1'),
    "a float": MARK.replace(b'"at_us":1', b'"at_us":1.0'),
    "an exponent": MARK.replace(b'"at_us":1', b'"at_us":1e0'),
    "minus zero": MARK.replace(b'"at_us":1', b'"at_us":-0'),
    "an integer above 2^53 - 1": MARK.replace(b'"at_us":1', b'"at_us":9007199254740992'),
    "an integer below -(2^53 - 1)": MARK.replace(b'"at_us":1', b'"at_us":-9007199254740992'),
    "an integer of 60,000 digits": MARK.replace(b'"at_us":1', b'"at_us":' + b"9" * 60_000),
    "a number as a string": MARK.replace(b'"at_us":1', b'"at_us":"1"'),
    "null": MARK.replace(b'"at_us":1', b'"at_us":null'),
    "a field that is not known": MARK.replace(b'"boot":1', b'"boot":1,"case":"x"'),
    "a missing field": MARK.replace(b'"at_us":1,', b""),
    "a field with a default left out": MARK.replace(b'"boot":1,', b""),
    "an unknown type": MARK.replace(b'"type":"mark"', b'"type":"erase"'),
    "no type": MARK.replace(b',"type":"mark"', b""),
    "not UTF-8": MARK.replace(b'"label":""', b'"label":"\xff"'),
    "UTF-8 in too many bytes": MARK.replace(b'"label":""', b'"label":"\xc0\xaf"'),
    "a byte order mark": b"\xef\xbb\xbf" + MARK,
    "a lone surrogate": MARK.replace(b'"label":""', b'"label":"\\ud800"'),
    "an escape that is not needed": MARK.replace(b'"label":""', b'"label":"\\u0041"'),
    "an escaped slash": MARK.replace(b'"label":""', b'"label":"\\/"'),
    "an array": b"[" + MARK + b"]",
    "nesting of 30,000 levels": b"[" * 30_000,
    "nesting of 10,000 levels in a field": MARK.replace(b'"at_us":1', b'"at_us":' + b"[" * 10_000 + b"]" * 10_000),
    "nesting of 10,000 levels in an unknown field": b'{"a":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "one byte too long": MARK.replace(b'"label":""', b'"label":"%s"' % (b"x" * (MAX_ENTRY_BYTES + 1 - len(MARK)))),
    "no salt": MARK.replace(salt(1).encode(), b""),
    "a salt of 15 bytes": MARK.replace(salt(1).encode(), canonical.b64(bytes(15)).encode()),
    "a salt in another spelling": MARK.replace(salt(1).encode(), salt(1).encode()[:-1] + b"R"),
    "cut": MARK[:-1],
    "two entries": MARK + MARK,
    "zeros": bytes(40),
}


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_line_that_is_no_entry_is_refused_with_a_short_reason(line: bytes) -> None:
    assert line != MARK
    with pytest.raises(EntryMalformed) as refused:
        decode_entry(line)
    assert 20 < len(str(refused.value)) < 600


def test_an_entry_of_exactly_65535_bytes_is_read() -> None:
    longest = mark(1, label="x" * (MAX_ENTRY_BYTES - len(MARK)))
    assert len(encode_entry(longest)) == MAX_ENTRY_BYTES
    assert decode_entry(encode_entry(longest)) == longest


@pytest.mark.parametrize(
    "entry",
    [
        mark(1, label="x" * MAX_ENTRY_BYTES),
        mark(1, label="\ud800"),
        mark(canonical.MAX_INT + 1),
        mark(-canonical.MAX_INT - 1),
    ],
    ids=["too long", "lone surrogate", "too great", "too small"],
)
def test_an_entry_that_could_not_be_read_back_is_not_written(entry: Entry) -> None:
    with pytest.raises(EntryMalformed):
        encode_entry(entry)


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_an_entry_in_their_one_spelling_or_refused(line: bytes) -> None:
    try:
        entry = decode_entry(line)
    except EntryMalformed:
        return
    assert encode_entry(entry) == line


@given(st.data())
def test_a_header_comes_back_as_it_was_written(data: st.DataObject) -> None:
    log = Log(ORIGIN, SIGNER)
    streams = data.draw(st.lists(st.sampled_from(["device", "s000001", "s999999", "s1000000"]), max_size=12))
    for number, stream in enumerate(streams):
        log.add(mark(number, stream))
    log.sign()
    line = log.header_lines().split(b"\n")[0]
    header = decode_header(line)
    assert encode_header(header) == line
    assert (header.origin, header.first, header.streams) == (ORIGIN, len(streams), log.streams.heads)
    assert Frontier(header.first, header.hashes).root() == log.frontier.root()


def bad_headers() -> dict[str, bytes]:
    line = two_files()[1].split(b"\n")[0]
    value = msgspec.json.decode(line)

    def changed(place: int, part: object) -> bytes:
        return canonical.encode([*value[:place], part, *value[place + 1 :]])

    return {
        "another format": changed(0, "liuhen/journal/v2"),
        "another size": changed(2, 7),
        "a negative size": changed(2, -1),
        "a size beyond 2^53 - 1": changed(2, 2**60),
        "a hash too few": changed(3, value[3][1:]),
        "a short hash": changed(3, [value[3][0][:-2], *value[3][1:]]),
        "a padded hash": changed(3, [value[3][0] + "=", *value[3][1:]]),
        "a stream that no device writes": changed(4, {**value[4], "s1": [1, value[3][0]]}),
        "a session number with a needless zero": changed(4, {**value[4], "s0000001": [1, value[3][0]]}),
        "a stream without entries": changed(4, {**value[4], "s000009": [0, value[3][0]]}),
        "streams that count too many entries": changed(4, {**value[4], "s000009": [1, value[3][0]]}),
        "a sixth element": canonical.encode([*value, 1]),
        "white space": line.replace(b",", b", ", 1),
        "not UTF-8": line.replace(b"bwc", b"\xff"),
        "deep nesting": b"[" * 100_000,
        "an object": b"{}",
    }


@pytest.mark.parametrize("line", bad_headers().values(), ids=bad_headers().keys())
def test_a_line_that_is_no_header_is_refused(line: bytes) -> None:
    with pytest.raises(HeaderMalformed):
        decode_header(line)


@pytest.mark.parametrize(
    "line",
    [b"", b'"a', b"{}", b'"\\u0041"', b'"a" ', b'"\xff"', b'"\\ud800"', b"[" * 50_000],
    ids=["empty", "cut", "object", "escape", "space", "not UTF-8", "surrogate", "nesting"],
)
def test_a_line_that_is_no_string_in_its_one_spelling_is_no_checkpoint(line: bytes) -> None:
    with pytest.raises(JournalError):
        decode_checkpoint_line(line)


def test_a_checkpoint_line_holds_the_note_byte_for_byte() -> None:
    note = Log(ORIGIN, SIGNER).last_checkpoint
    assert decode_checkpoint_line(encode_checkpoint_line(note)) == note


# --- streams -----------------------------------------------------------------------------------------

STREAM_NAMES = st.lists(st.sampled_from(["device", "s000001", "s000002"]), min_size=2, max_size=20)


def placed(names: list[str]) -> list[Entry]:
    log = Log(ORIGIN, SIGNER)
    entries: list[Entry] = [mark(number, name) for number, name in enumerate(names)]
    for entry in entries:
        log.add(entry)
    return entries


def follow(entries: list[Entry]) -> Streams:
    streams = Streams()
    for entry in entries:
        streams.check(entry, leaf_hash(encode_entry(entry)))
    return streams


@given(STREAM_NAMES)
def test_streams_in_any_interleaving_are_followed(names: list[str]) -> None:
    streams = follow(placed(names))
    assert {name: head.count for name, head in streams.heads.items()} == {name: names.count(name) for name in names}


@given(STREAM_NAMES, st.data())
def test_an_entry_dropped_before_its_streams_end_is_found(names: list[str], data: st.DataObject) -> None:
    entries = placed(names)
    followed = [at for at, name in enumerate(names) if name in names[at + 1 :]]
    if followed:
        del entries[data.draw(st.sampled_from(followed))]
        with pytest.raises(StreamBroken):
            follow(entries)


@given(STREAM_NAMES, st.data())
def test_an_entry_that_stands_twice_is_found(names: list[str], data: st.DataObject) -> None:
    entries = placed(names)
    at = data.draw(st.integers(0, len(entries) - 1))
    entries.insert(data.draw(st.integers(at, len(entries))), entries[at])
    with pytest.raises(StreamBroken):
        follow(entries)


@given(STREAM_NAMES, st.data())
def test_two_entries_of_a_stream_in_another_order_are_found(names: list[str], data: st.DataObject) -> None:
    entries = placed(names)
    places = [(a, b) for a, name in enumerate(names) for b in range(a + 1, len(names)) if names[b] == name]
    if places:
        a, b = data.draw(st.sampled_from(places))
        entries[a], entries[b] = entries[b], entries[a]
        with pytest.raises(StreamBroken):
            follow(entries)


@given(STREAM_NAMES, st.data())
def test_an_entry_changed_before_its_streams_end_is_found(names: list[str], data: st.DataObject) -> None:
    entries = placed(names)
    followed = [at for at, name in enumerate(names) if name in names[at + 1 :]]
    if followed:
        entries[data.draw(st.sampled_from(followed))].boot_us += 1_000_000
        with pytest.raises(StreamBroken):
            follow(entries)


@pytest.mark.parametrize("name", ["", "s1", "S000001", "s0000001", "device ", "s000001/../x", "s" + "9" * 40])
def test_a_stream_that_no_device_writes_is_refused(name: str) -> None:
    entry = mark(1, name)
    with pytest.raises(StreamBroken):
        Streams().place(entry)
    entry.n = 0
    with pytest.raises(StreamBroken):
        Streams().check(entry, bytes(32))


def test_a_refused_entry_leaves_its_stream_as_it_was() -> None:
    entries = placed(["device", "device", "device"])
    streams = follow(entries[:1])
    before = streams.copy()
    with pytest.raises(StreamBroken):
        streams.check(entries[2], bytes(32))
    assert streams == before
    streams.check(entries[1], bytes(32))


# --- the appending side ------------------------------------------------------------------------------


def test_a_log_signs_the_root_over_its_lines() -> None:
    leaves = [leaf_hash(line[:-1]) for line in LINES if line.startswith(b"{")]
    checkpoint = open_checkpoint(decode_checkpoint_line(LINES[-1][:-1]), KEY)
    assert checkpoint == Checkpoint(ORIGIN, 6, root_of(leaves))


def test_the_leaf_that_add_returns_is_that_of_the_line() -> None:
    log = Log(ORIGIN, SIGNER)
    leaf = log.add(boot(1))
    assert leaf == leaf_hash(lines_of(log.sign())[0][:-1])


def test_an_append_of_nothing_writes_nothing() -> None:
    log = Log(ORIGIN, SIGNER)
    log.append([boot(1)])
    before = log.last_checkpoint
    assert log.append([]) == b""
    assert log.last_checkpoint == before


def test_an_append_with_a_refused_entry_leaves_the_log_as_it_was() -> None:
    log = Log(ORIGIN, SIGNER)
    log.append([boot(1), mark(2)])
    before = log.header_lines(), log.last_checkpoint
    with pytest.raises(EntryMalformed):
        log.append([boot(3), mark(4, "s000002"), mark(5, label="x" * MAX_ENTRY_BYTES)])
    assert (log.header_lines(), log.last_checkpoint) == before
    with pytest.raises(StreamBroken):
        log.append([mark(6), mark(7, "nowhere")])
    assert (log.header_lines(), log.last_checkpoint) == before


def test_a_flush_taken_back_and_appended_again_has_the_same_bytes() -> None:
    log = Log(ORIGIN, SIGNER)
    log.append([boot(1)])
    header = log.header_lines()
    entries: list[Entry] = [mark(2), mark(3, "s000002")]
    first = log.append(entries)
    log.take_back()
    assert log.header_lines() == header
    assert log.append(entries) == first


def test_entries_that_are_not_signed_yet_can_be_taken_back() -> None:
    log = Log(ORIGIN, SIGNER)
    log.append([boot(1)])
    header = log.header_lines()
    log.add(mark(2))
    log.add(mark(3))
    with pytest.raises(JournalError):
        log.header_lines()
    log.take_back()
    assert log.header_lines() == header


def test_a_flush_is_taken_back_once() -> None:
    log = Log(ORIGIN, SIGNER)
    log.append([boot(1)])
    log.append([boot(2)])
    log.take_back()
    with pytest.raises(JournalError):
        log.take_back()


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.sampled_from(["device", "s000001", "s000002"]), min_size=1, max_size=4), max_size=8), st.data()
)
def test_a_log_that_starts_from_its_newest_file_goes_on_with_the_same_bytes(
    flushes: list[list[str]], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(flushes)), max_size=3)))
    number, whole, files = 0, Log(ORIGIN, SIGNER), []
    restarted = Log(ORIGIN, SIGNER)
    for start, stop in pairwise([0, *cuts, len(flushes)]):
        content = restarted.header_lines()
        for names in flushes[start:stop]:
            entries: list[Entry] = [mark(number := number + 1, name) for name in names]
            lines = restarted.append(entries)
            assert whole.append(entries) == lines
            content += lines
        reading = both(content)
        assert is_whole(reading)
        restarted = Log(ORIGIN, SIGNER, reading.frontier, reading.streams)
        assert restarted.last_checkpoint == whole.last_checkpoint
        files.append(reading)
    joined = join(files)
    assert not joined.damage and not joined.tails
    assert [entry.index for entry in joined.entries] == list(range(number))
    assert joined.streams == whole.streams and joined.frontier.root() == whole.frontier.root()


# --- reading a file ----------------------------------------------------------------------------------


def test_a_whole_file_is_read_with_offsets_indices_and_leaves() -> None:
    reading = both(FILE)
    assert is_whole(reading)
    assert indices(reading) == [0, 1, 2, 3, 4, 5]
    assert reading.attested_size == 6 and reading.header is not None and reading.header.origin == ORIGIN
    for line in reading.lines:
        assert FILE[line.offset :].startswith(line.line + b"\n")
        assert line.leaf is None or line.leaf == leaf_hash(line.line)


def test_a_prefix_of_any_length_gives_what_its_last_whole_checkpoint_covers() -> None:
    ends = [0]
    for line in LINES:
        ends.append(ends[-1] + len(line))
    attested = {end: at for at, (end, line) in enumerate(zip(ends[1:], LINES, strict=True)) if line.startswith(b'"')}
    for length in range(len(FILE) + 1):
        reading = read_file(FILE[:length], KEY, "last")
        expected = max([end for end in attested if end <= length], default=0)
        assert reading.attested_bytes == expected
        assert reading.tail == (expected if length > expected else None)
        assert not reading.damage
        whole = [line for end, line in zip(ends[1:], LINES, strict=True) if end <= expected]
        assert len(list(reading.entries())) == sum(line.startswith(b"{") for line in whole)
        assert reading.streams == read_file(FILE[:expected], KEY).streams
        assert reading.frontier.size == reading.attested_size


def test_zeros_at_the_end_are_preallocation() -> None:
    reading = both(FILE + bytes(5000))
    assert reading.tail is None and reading.attested_bytes == reading.length_bytes == len(FILE)


def test_zeros_after_a_cut_line_belong_to_the_torn_tail() -> None:
    cut = FILE[: len(FILE) - 30]
    reading = both(cut + bytes(5000))
    assert reading.tail == reading.attested_bytes < len(cut) == reading.length_bytes
    assert not reading.damage


@pytest.mark.parametrize("data", [b"", bytes(4096)], ids=["empty", "only zeros"])
def test_a_file_that_was_only_created_attests_nothing_and_has_no_tail(data: bytes) -> None:
    reading = both(data)
    assert (reading.attested_bytes, reading.tail, reading.damage, reading.header) == (0, None, [], None)


def test_a_last_flush_whose_first_block_was_never_written_is_a_torn_tail() -> None:
    """Blocks of one write reach a disk in any order: zeros, and after them a checkpoint that is really signed."""
    reading = both(b"".join(LINES[:-3]) + bytes(len(LINES[-3])) + b"".join(LINES[-2:]))
    assert reading.tail == reading.attested_bytes == len(b"".join(LINES[:-3]))
    assert not reading.damage
    assert reading.signed is not None and reading.signed.size == 6 > reading.attested_size == 4


def test_the_same_zeros_with_one_more_byte_behind_the_checkpoint_are_damage() -> None:
    reading = both(b"".join(LINES[:-3]) + bytes(len(LINES[-3])) + b"".join(LINES[-2:]) + b"{")
    assert reading.damage and reading.tail is not None and reading.tail > reading.attested_bytes


def test_a_line_added_between_two_flushes_is_damage_with_its_place_and_everything_else_is_read() -> None:
    for junk in (b"\n", b"hello\n", b"{}\n", bytes(7) + b"\n", LINES[0], b'"x"\n', b'{"type":"mark"}\n'):
        reading = both(b"".join(LINES[:6]) + junk + b"".join(LINES[6:]))
        assert [damage.offset for damage in reading.damage] == [len(b"".join(LINES[:6]))]
        assert indices(reading) == [0, 1, 2, 3, 4, 5]
        assert reading.attested_size == 6 and reading.tail is None


def test_a_changed_entry_is_damage_within_its_flush_and_later_entries_keep_their_index() -> None:
    changed = LINES[2].replace(b"boot-1", b"boot-9")
    reading = both(b"".join([*LINES[:2], changed, *LINES[3:]]))
    assert reading.damage[0].offset == len(b"".join(LINES[:2]))
    assert indices(reading) == [0, 1, 2, 3, 4, 5]
    assert reading.tail is None
    assert reading.signed is not None and (reading.signed.size, reading.attested_size) == (6, 0)


def test_a_dropped_entry_is_damage_and_later_flushes_find_their_index_again() -> None:
    reading = both(b"".join([*LINES[:2], *LINES[3:]]))
    assert "dropped" in texts(reading)
    assert indices(reading) == [None, 2, 3, 4, 5]


def test_every_changed_byte_of_a_file_is_found() -> None:
    for at in range(len(FILE)):
        for flip in (0x01, 0x80):
            data = FILE[:at] + bytes([FILE[at] ^ flip]) + FILE[at + 1 :]
            reading = read_file(data, KEY)
            assert not is_whole(reading), (at, flip)


def test_every_changed_byte_of_a_file_that_stands_on_others_is_found() -> None:
    file = two_files()[1]
    for at in range(len(file)):
        assert not is_whole(read_file(file[:at] + bytes([file[at] ^ 2]) + file[at + 1 :], KEY)), at


def test_every_dropped_or_repeated_line_is_found_but_a_checkpoint_that_the_next_one_covers() -> None:
    for at, line in enumerate(LINES[:-1]):
        dropped = read_file(b"".join(LINES[:at] + LINES[at + 1 :]), KEY)
        covered = line.startswith(b'"') and at > 1
        assert is_whole(dropped) == covered, at
        assert dropped.attested_size == 6 or not covered
        assert not is_whole(read_file(b"".join([*LINES[: at + 1], *LINES[at:]]), KEY)), at


def test_any_two_lines_swapped_are_found() -> None:
    for a in range(len(LINES)):
        for b in range(a + 1, len(LINES)):
            swapped = list(LINES)
            swapped[a], swapped[b] = swapped[b], swapped[a]
            assert not is_whole(read_file(b"".join(swapped), KEY)), (a, b)


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_no_bytes_make_the_reader_raise(seed: int) -> None:
    chance = random.Random(seed)
    pieces = [chance.choice([*LINES, b"{", b'"', b"[", b"\n", bytes(3), chance.randbytes(9)]) for _ in range(12)]
    for key in (KEY, None):
        reading = read_file(b"".join(pieces), key, chance.choice(["all", "last"]))
        join([reading, read_file(FILE, key), reading])


@pytest.mark.parametrize("junk", [b"\n", b"[]\n", b'"x"\n', b"{}\n"])
def test_any_number_of_bad_lines_is_told_as_a_thousand_places(junk: bytes) -> None:
    added = junk * (200_000 // len(junk))
    reading = both(b"".join(LINES[:8]) + added + b"".join(LINES[8:]))
    assert len(reading.damage) == 1_000 and len(reading.lines) == 1_000 + len(LINES)
    assert indices(reading) == [0, 1, 2, 3, 4, 5] and reading.tail is None


def test_a_file_signed_by_another_key_attests_nothing() -> None:
    reading = both(a_file(signer=STRANGER))
    assert reading.attested_bytes == 0 and reading.tail == 0 and reading.signed is None


def test_without_a_key_the_same_file_is_read_and_nobody_vouches_for_it() -> None:
    assert is_whole(read_file(a_file(signer=STRANGER), None))


def test_a_checkpoint_of_another_generation_by_the_same_key_is_refused() -> None:
    foreign = lines_of(a_file(origin="liuhen/bwc-1/2"))
    reading = both(b"".join([*LINES[:4], foreign[4], *LINES[5:]]))
    assert "belongs to liuhen/bwc-1/2" in texts(reading)
    assert reading.attested_size == 6


def test_a_forged_signature_in_the_middle_is_found_when_all_are_verified() -> None:
    note = sign_checkpoint(open_checkpoint(decode_checkpoint_line(LINES[4][:-1]), KEY), STRANGER)
    reading = read_file(b"".join([*LINES[:4], encode_checkpoint_line(note), b"\n", *LINES[5:]]), KEY)
    assert [damage.offset for damage in reading.damage] == [len(b"".join(LINES[:4]))]


def test_a_forged_last_signature_is_found_when_only_the_last_is_verified() -> None:
    note = sign_checkpoint(open_checkpoint(decode_checkpoint_line(LINES[-1][:-1]), KEY), STRANGER)
    reading = both(b"".join(LINES[:-1]) + encode_checkpoint_line(note) + b"\n")
    assert (reading.attested_size, reading.tail) == (4, len(b"".join(LINES[:-3])))


def test_a_second_signed_root_for_the_same_size_is_named_a_fork() -> None:
    other = lines_of(a_file([[boot(1), mark(9)]]))[4]
    reading = both(b"".join([*LINES[:5], other, *LINES[5:]]))
    assert "forked" in texts(reading) and reading.attested_size == 6


def test_a_stream_that_the_device_itself_forked_is_damage_at_that_entry() -> None:
    log = Log(ORIGIN, SIGNER)
    content = log.header_lines() + log.append([mark(1), mark(2)])
    log.streams.heads["s000001"] = StreamHead(1, leaf_hash(lines_of(content)[2][:-1]))
    reading = both(content + log.append([mark(3)]))
    assert [damage.offset for damage in reading.damage] == [len(content)]
    assert "forks" in texts(reading)
    assert reading.attested_size == 3 and reading.lines[-2].problem


def test_a_header_whose_stream_heads_were_changed_is_found_without_the_older_file() -> None:
    log = Log(ORIGIN, SIGNER)
    written(log, three_flushes())
    forged = {**log.streams.heads, "s000002": StreamHead(1, bytes(32))}
    genuine = written(log, [[mark(7)], [mark(8)]])
    forged_header = lines_of(header_with(forged, Frontier(6, read_file(FILE, KEY).frontier.hashes)))[0]
    reading = both(forged_header + b"".join(lines_of(genuine)[1:]))
    assert reading.damage[0].offset == len(forged_header) and reading.attested_bytes == 0


def test_a_file_with_a_garbled_header_gives_its_entries_as_damaged() -> None:
    reading = both(b"#" + FILE[1:])
    assert reading.header is None and reading.attested_bytes == 0 and reading.tail is None
    assert indices(reading) == [0, 1, 2, 3, 4, 5]
    assert reading.damage[0].offset == 0


# --- joining a generation's files --------------------------------------------------------------------


def readings(*files: bytes) -> list[FileReading]:
    return [read_file(file, KEY) for file in files]


def test_two_files_join_to_one_sequence() -> None:
    joined = join(readings(*two_files()))
    assert not joined.damage and not joined.tails and not joined.superseded
    assert [(entry.file, entry.index) for entry in joined.entries] == [(0, i) for i in range(6)] + [
        (1, i) for i in range(6, 9)
    ]
    assert joined.starts_at == 0 and joined.checkpoint is not None and joined.checkpoint.size == 9


def test_a_newer_file_alone_says_where_it_starts() -> None:
    joined = join(readings(two_files()[1]))
    assert joined.starts_at == 6 and not joined.damage
    assert [entry.index for entry in joined.entries] == [6, 7, 8]


def test_a_missing_file_between_two_others_is_named_with_its_entries() -> None:
    log = Log(ORIGIN, SIGNER)
    first = written(log, [[boot(1)]])
    written(log, [[boot(2)], [boot(3)]])
    joined = join(readings(first, written(log, [[boot(4)]])))
    assert "Entries 1 to 2" in texts(joined)
    assert [entry.index for entry in joined.entries] == [0, 3]


def after_a_failed_sync(flushes_on_disk: int) -> tuple[bytes, bytes]:
    """The older file holds flushes that nobody waited for; the newer begins before the last of them."""
    log = Log(ORIGIN, SIGNER)
    flushes = three_flushes()
    older = log.header_lines() + log.append(flushes[0]) + log.append(flushes[1])
    header = log.header_lines()
    last = log.append(flushes[2])
    return older + (last if flushes_on_disk else last[:40]), header + last + log.append([boot(7)])


def test_a_newer_file_supersedes_a_flush_that_it_repeats_byte_for_byte() -> None:
    older, newer = after_a_failed_sync(1)
    joined = join(readings(older, newer))
    assert not joined.damage and not joined.tails
    assert [(entry.file, entry.index) for entry in joined.entries] == [(0, i) for i in range(4)] + [
        (1, i) for i in range(4, 7)
    ]
    (superseded,) = joined.superseded
    assert (superseded.first, superseded.signed_flushes, superseded.identical) == (4, 1, True)


def test_a_newer_file_supersedes_a_torn_tail() -> None:
    older, newer = after_a_failed_sync(0)
    joined = join(readings(older, newer))
    assert not joined.damage and not joined.tails
    assert [entry.index for entry in joined.entries] == list(range(7))
    (superseded,) = joined.superseded
    assert superseded.signed_flushes == 0


def test_a_newer_file_that_replaces_the_last_signed_flush_by_another_is_told() -> None:
    log = Log(ORIGIN, SIGNER)
    older = written(log, three_flushes())
    log.take_back()
    joined = join(readings(older, written(log, [[boot(70), boot(71)]])))
    (superseded,) = joined.superseded
    assert (superseded.signed_flushes, superseded.identical) == (1, False)
    assert not joined.damage


def test_a_newer_file_that_takes_back_two_signed_flushes_is_damage() -> None:
    older = written(Log(ORIGIN, SIGNER), three_flushes())
    fork = Log(ORIGIN, SIGNER)
    fork.append(three_flushes()[0])
    joined = join(readings(older, written(fork, [[boot(70)], [boot(71)], [boot(72)], [boot(73)]])))
    assert "2 signed flushes from entry 2" in texts(joined)
    assert joined.damage[0].file == 0


def test_a_newer_file_on_another_history_is_damage() -> None:
    fork = Log(ORIGIN, SIGNER)
    written(fork, [[boot(1), mark(2)], [mark(3), mark(4, "s000002")], [mark(5), boot(60)]])
    joined = join(readings(FILE, written(fork, [[boot(70)]])))
    assert "forked" in texts(joined) and joined.damage[0].file == 1


def test_a_file_of_another_device_between_ours_is_damage() -> None:
    log = Log("liuhen/bwc-1/2", SIGNER)
    written(log, three_flushes())
    assert "belongs to liuhen/bwc-1/2" in texts(join(readings(FILE, written(log, [[boot(70)]]))))


def test_the_last_checkpoint_of_an_older_file_removed_is_damage_though_all_entries_are_there() -> None:
    older, newer = two_files()
    cut = older[: older.rindex(b"\n", 0, -1) + 1]
    joined = join(readings(cut, newer))
    assert "removed" in texts(joined) and joined.damage[0].file == 0
    assert [entry.index for entry in joined.entries] == list(range(9))


def test_a_changed_last_flush_of_an_older_file_is_damage_and_no_torn_tail() -> None:
    older, newer = two_files()
    joined = join(readings(older.replace(b"boot-6", b"boot-8"), newer))
    assert "Of the entries 4 to 5" in texts(joined)
    assert [entry.index for entry in joined.entries] == list(range(9))


def test_every_changed_byte_of_an_older_file_is_found_in_the_join() -> None:
    older, newer = two_files()
    rest = read_file(newer, KEY)
    for at in range(len(older)):
        joined = join([read_file(older[:at] + bytes([older[at] ^ 1]) + older[at + 1 :], KEY), rest])
        assert joined.damage, at


def test_files_in_the_wrong_order_are_damage() -> None:
    older, newer = two_files()
    assert "files were moved" in texts(join(readings(newer, older)))


def test_a_newest_file_torn_while_it_was_created_supersedes_nothing() -> None:
    older, newer = two_files()
    for length in range(len(b"".join(lines_of(newer)[:2]))):
        joined = join(readings(older, newer[:length]))
        assert not joined.damage and not joined.superseded
        assert joined.tails == ([(1, 0)] if length else [])
        assert joined.checkpoint is not None and joined.checkpoint.size == 6


def test_a_file_that_attests_nothing_between_others_is_damage() -> None:
    older, newer = two_files()
    joined = join(readings(older, b"overwritten", newer))
    assert [damage.file for damage in joined.damage] == [1]
    assert len(joined.entries) == 9


def test_a_joiner_hands_over_each_file_when_the_next_is_there() -> None:
    joiner = Joiner()
    first, second = readings(*two_files())
    assert joiner.add(first) == []
    assert [entry.index for entry in joiner.add(second)] == list(range(6))
    assert [entry.index for entry in joiner.finish()] == [6, 7, 8]


def test_no_files_join_to_an_empty_journal() -> None:
    joined = join([])
    assert joined.origin is None and not joined.entries and joined.frontier.size == 0


class Writer:
    """A writer by the page's rules, over files in memory whose unsynced end a cut may tear anywhere."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.log = Log(ORIGIN, SIGNER)
        self.files = [self.log.header_lines()]
        self.first = [0]
        self.durable: list[bytes] = []
        self.number = 0

    def entries(self) -> list[Entry]:
        count = self.chance.randint(1, 3)
        self.number += count
        streams = ["device", "s000001", "s000002"]
        return [mark(self.number - at, self.chance.choice(streams)) for at in range(count)]

    def flush(self, entries: list[Entry] | None = None) -> None:
        lines = self.log.append(entries or self.entries())
        self.files[-1] += lines
        self.durable += [line[:-1] for line in lines_of(lines) if line.startswith(b"{")]

    def rotate(self) -> None:
        if self.first[-1] == self.log.size:  # the name is taken: the file there holds nothing, and is moved aside
            self.files.pop()
            self.first.pop()
        self.files.append(self.log.header_lines())
        self.first.append(self.log.size)

    def fail_to_sync(self) -> None:
        entries = self.entries()
        lines = self.log.append(entries)
        self.files[-1] += lines[: self.chance.randint(0, len(lines))]
        self.log.take_back()
        self.rotate()
        self.flush(entries)

    def lose_power_in_a_flush(self) -> None:
        lines = self.log.append(self.entries())
        self.files[-1] += lines[: self.chance.randint(0, len(lines) - 1)] + bytes(self.chance.randint(0, 9))
        self.start()

    def lose_power_in_a_new_file(self) -> None:
        lines = self.log.header_lines()
        if self.first[-1] != self.log.size:
            self.files.append(lines[: self.chance.randint(0, len(lines) - 1)])
            self.first.append(self.log.size)
        self.start()

    def start(self) -> None:
        newest = both(self.files[-1])
        if not newest.attested_bytes:
            self.files.pop()
            self.first.pop()
            newest = both(self.files[-1])
        self.files[-1] = self.files[-1][: newest.attested_bytes]
        self.log = Log(ORIGIN, SIGNER, newest.frontier, newest.streams)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_whatever_fails_the_files_join_without_damage_and_hold_every_synced_entry(seed: int, count: int) -> None:
    writer = Writer(random.Random(seed))
    steps = [
        writer.flush,
        writer.flush,
        writer.rotate,
        writer.fail_to_sync,
        writer.lose_power_in_a_flush,
        writer.lose_power_in_a_new_file,
    ]
    for _ in range(count):
        writer.chance.choice(steps)()
    joined = join(readings(*writer.files))
    assert not joined.damage and not joined.tails
    assert [entry.line for entry in joined.entries] == writer.durable
    assert [entry.index for entry in joined.entries] == list(range(writer.log.size))
    assert joined.frontier.root() == writer.log.frontier.root() and joined.streams == writer.log.streams
    removed = join(readings(*writer.files[1:]))
    assert not removed.damage and removed.starts_at == (writer.first[1] if len(writer.first) > 1 else 0)


# --- vectors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors("journal"), ids=str)
def test_vector(vector: Vector) -> None:
    """``what: entry`` or ``header`` is one line, otherwise a file; see journal.md."""
    what = vector.get("what", "file")
    if what != "file":
        check_line(vector, decode_entry if what == "entry" else decode_header)
        return
    assert parse_vkey(vector.one("key")) == KEY
    reading = both(vector.payload)
    outcome = "damaged" if reading.damage else "whole" if reading.tail is None else "torn"
    assert (outcome, reading.attested_size) == (vector.expect, int(vector.one("size")))
    assert reading.tail == (int(vector.one("tail")) if "tail" in vector.headers else None)
    assert [damage.offset for damage in reading.damage] == [int(at) for at in vector.all("damage")]
    assert vector.get("says") in texts(reading)


def test_the_vectors_are_those_that_the_independent_writer_makes(tmp_path: Path) -> None:
    make_journal.write(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (FOLDER / "journal").iterdir()}


def check_line(vector: Vector, decode: object) -> None:
    assert callable(decode)
    if vector.expect == "success":
        value = decode(vector.payload)
        if "leaf" in vector.headers:
            assert leaf_hash(vector.payload).hex() == vector.one("leaf")
        assert value
        return
    with pytest.raises(EvidenceError) as refused:
        decode(vector.payload)
    assert vector.get("says") in str(refused.value)


def test_the_example_of_the_page_is_one_of_the_vectors() -> None:
    page = Path(reading_module.__file__).with_name("journal.md").read_text(encoding="utf-8")
    (example,) = [vector for vector in vectors("journal") if vector.name == "the-example-of-the-page"]
    assert page.split("```\n")[1].encode() == example.payload
    assert f"```\n{example.one('key')}\n```" in page
