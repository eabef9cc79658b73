"""Forty and more ways to tamper, each against a spool, a one-session export and a two-minute excerpt.

Each tampering is a function named by a sentence; it returns where it struck, and the verdict must name that place. The
first part has no key and repairs what needs none (SHA256SUMS); the last part is a device that signs what is not so.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from agent.evidence import age, canonical, mp4
from agent.evidence import entries as e
from agent.evidence.tree import leaf_hash
from agent.verify import verify
from tests.verify.folders import KINDS, SESSION, Folder, Spot, World, export_all, options
from tests.verify.spools import SECOND, Device, Recording, small_spool

CHUNK = 65_552
HEADER = 216
"""More than an age header for one recipient has."""
LINES = 1_500
"""Bytes of an entry and its checkpoint: damage is named at one of the two."""


@dataclass(frozen=True)
class Struck:
    """What the verdict must say: any of these kinds, at this file, entry, and byte."""

    kinds: tuple[str, ...]
    file: str | None = None
    entry: str | None = None
    offset: int | None = None


Tampering = Callable[[World, Folder], Struck]
TABLE: list[Tampering] = []
ONLY: dict[str, tuple[str, ...]] = {}


def tampering(*kinds: str) -> Callable[[Tampering], Tampering]:
    """Put a function into the table; with names of folders, for these only."""

    def register(function: Tampering) -> Tampering:
        TABLE.append(function)
        ONLY[function.__name__] = kinds or KINDS
        return function

    return register


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


# --- media files ---------------------------------------------------------------------------------------


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[: at % len(data)] + bytes([data[at] ^ 1]) + data[at % len(data) + 1 :]


@tampering()
def a_bit_in_the_middle_of_a_media_file_is_flipped(world: World, folder: Folder) -> Struck:
    folder.edit(folder.media(), flip(CHUNK + 5000))
    return Struck(("bytes_differ",), folder.media(), offset=CHUNK + 5000)


@tampering()
def the_first_byte_of_a_media_file_is_changed(world: World, folder: Folder) -> Struck:
    folder.edit(folder.media(), flip(0))
    return Struck(("bytes_differ",), folder.media(), offset=0)


@tampering()
def the_last_byte_of_a_media_file_is_changed(world: World, folder: Folder) -> Struck:
    folder.edit(folder.media(0), flip(-1))
    return Struck(("bytes_differ",), folder.media(0), offset=(folder.root / folder.media(0)).stat().st_size - 1)


@tampering()
def a_media_file_loses_its_last_byte(world: World, folder: Folder) -> Struck:
    folder.edit(folder.media(), lambda data: data[:-1])
    return Struck(("file_cut",), folder.media(), offset=(folder.root / folder.media()).stat().st_size)


@tampering()
def a_media_file_is_emptied(world: World, folder: Folder) -> Struck:
    folder.edit(folder.media(), lambda data: b"")
    return Struck(("file_cut",), folder.media(), offset=0)


@tampering()
def a_media_file_is_deleted(world: World, folder: Folder) -> Struck:
    name = folder.media()
    (folder.root / name).unlink()
    return Struck(("file_missing",), name, opening_entry(folder, name))


def opening_entry(folder: Folder, media: str) -> str:
    return folder.find(lambda value: value.get("file") == media.removeprefix("segments/")).name


@tampering()
def a_byte_is_added_to_a_media_file(world: World, folder: Folder) -> Struck:
    length = (folder.root / folder.media()).stat().st_size
    folder.edit(folder.media(), lambda data: data + b"x")
    return Struck(("file_longer",), folder.media(), offset=length)


@tampering()
def two_media_files_are_swapped(world: World, folder: Folder) -> Struck:
    first, second = (folder.root / folder.media(number) for number in (0, 1))
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    return Struck(("bytes_differ",), folder.media(0), offset=0)


@tampering()
def a_media_file_of_another_session_is_put_in_its_place(world: World, folder: Folder) -> Struck:
    other = next((world.root / "spool/segments/s000001").iterdir())
    folder.edit(folder.media(), lambda data: other.read_bytes())
    return Struck(("bytes_differ",), folder.media(), offset=0)


@tampering()
def a_media_file_of_another_device_is_put_in_its_place(world: World, folder: Folder) -> Struck:
    other = sorted((world.root / f"other/segments/{SESSION}").iterdir())[0]
    folder.edit(folder.media(0), lambda data: other.read_bytes())
    return Struck(("bytes_differ",), folder.media(0), offset=0)


@tampering()
def two_encrypted_chunks_are_swapped(world: World, folder: Folder) -> Struck:
    at = chunk_start(folder)
    folder.edit(
        folder.media(0), lambda d: d[:at] + d[at + CHUNK : at + 2 * CHUNK] + d[at : at + CHUNK] + d[at + 2 * CHUNK :]
    )
    return Struck(("bytes_differ",), folder.media(0), offset=at)


def chunk_start(folder: Folder) -> int:
    """Where the second chunk of the first media file begins."""
    return age.header_length((folder.root / folder.media(0)).read_bytes()[:4096]) + CHUNK


@tampering()
def an_encrypted_chunk_is_dropped(world: World, folder: Folder) -> Struck:
    at = chunk_start(folder)
    folder.edit(folder.media(0), lambda data: data[:at] + data[at + CHUNK :])
    return Struck(("bytes_differ",), folder.media(0), offset=at)


@tampering()
def an_encrypted_chunk_is_put_in_twice(world: World, folder: Folder) -> Struck:
    at = chunk_start(folder)
    folder.edit(folder.media(0), lambda data: data[: at + CHUNK] + data[at:])
    return Struck(("bytes_differ",), folder.media(0), offset=at + CHUNK)


@tampering()
def a_page_of_a_media_file_is_wiped_to_zeros(world: World, folder: Folder) -> Struck:
    folder.edit(folder.media(0), lambda data: data[:8192] + bytes(4096) + data[12288:])
    return Struck(("bytes_differ",), folder.media(0), offset=8192)


@tampering()
def a_media_file_is_encrypted_again_to_the_same_recipient(world: World, folder: Folder) -> Struck:
    device = world.device
    plain = age.decrypt((folder.root / folder.media(0)).read_bytes(), [device.identity])
    sealed = age.encrypt(plain, [device.identity.recipient()], os.urandom)
    folder.edit(folder.media(0), lambda data: sealed)
    return Struck(("bytes_differ",), folder.media(0), offset=0)


@tampering()
def a_media_file_is_replaced_by_a_link(world: World, folder: Folder) -> Struck:
    name = folder.media()
    (folder.root / name).unlink()
    (folder.root / name).symlink_to(world.root / "spool" / name)
    return Struck(("not_plain",), name)


@tampering()
def a_media_file_is_replaced_by_a_pipe(world: World, folder: Folder) -> Struck:
    name = folder.media()
    (folder.root / name).unlink()
    os.mkfifo(folder.root / name)
    return Struck(("not_plain",), name)


@tampering()
def a_media_file_is_added(world: World, folder: Folder) -> Struck:
    shutil.copy(folder.root / folder.media(), folder.root / f"segments/{SESSION}/extra.mp4.age")
    return Struck(("file_unnamed",), f"segments/{SESSION}/extra.mp4.age")


@tampering()
def a_media_file_is_renamed(world: World, folder: Folder) -> Struck:
    name = folder.media()
    (folder.root / name).rename(folder.root / name.replace("210013", "210099"))
    return Struck(("file_missing",), name, opening_entry(folder, name))


# --- entries -------------------------------------------------------------------------------------------


def struck_at(folder: Folder, spot: Spot, *kinds: str) -> Struck:
    """In a spool the journal is damaged near that byte; in an export the kinds say what."""
    if folder.is_spool:
        return Struck(("journal_damage",), spot.file, offset=spot.offset)
    return Struck(kinds, spot.file)


def next_entry(folder: Folder, spot: Spot) -> Spot:
    n, stream = spot.value["n"] + 1, spot.value["stream"]
    return folder.find(lambda value: value["stream"] == stream and value["n"] == n)


def after(folder: Folder, spot: Spot, *kinds: str) -> Struck:
    """The place at which a change of ``spot`` shows: the next entry of its stream."""
    if folder.is_spool:
        return Struck(("journal_damage",), spot.file, offset=spot.offset)
    return Struck(kinds, spot.file, next_entry(folder, spot).name)


def replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        assert old in line
        return line.replace(old, new, 1)

    return change


@tampering()
def a_fragment_hash_is_edited(world: World, folder: Folder) -> Struck:
    spot = folder.entry("fragment", 1)
    old = spot.value["sha256"].encode()
    folder.change(spot, replace(old, old.swapcase()[:-1] + old[-1:]))
    return after(folder, spot, "stream_broken")


@tampering()
def the_cause_of_an_interruption_is_edited(world: World, folder: Folder) -> Struck:
    spot = folder.change(folder.entry("interruption.begin"), replace(b'"camera"', b'"officer_stop"'))
    return after(folder, spot, "stream_broken")


@tampering()
def the_time_of_a_clock_entry_is_edited(world: World, folder: Folder) -> Struck:
    spot = folder.change(folder.entry("clock"), replace(b'"utc_us":177', b'"utc_us":176'))
    return after(folder, spot, "stream_broken")


@tampering()
def the_ticks_of_a_fragment_are_shifted(world: World, folder: Folder) -> Struck:
    spot = folder.entry("fragment", 1)
    tick = spot.value["tracks"][0]["tick"]
    folder.change(spot, replace(b'"tick":%d' % tick, b'"tick":%d' % (tick + 90_000)))
    return after(folder, spot, "stream_broken")


@tampering()
def the_officer_is_edited(world: World, folder: Folder) -> Struck:
    spot = folder.change(folder.entry("session.open"), replace(b'"officer":"210013"', b'"officer":"210014"'))
    if folder.is_spool:
        return struck_at(folder, spot)
    return Struck(("session_head_differs",), spot.file, spot.name)


@tampering()
def an_entry_in_the_middle_is_dropped(world: World, folder: Folder) -> Struck:
    spot = folder.entry("fragment", 2)
    lines = folder.lines(spot.file)
    following = next_entry(folder, spot)
    folder.put(spot.file, lines[: spot.number] + lines[spot.number + 1 :])
    if folder.is_spool:
        return struck_at(folder, spot)
    return Struck(("stream_gap",), spot.file, following.name)


@tampering()
def both_entries_of_an_interruption_are_dropped(world: World, folder: Folder) -> Struck:
    spot = folder.entry("interruption.begin", 1)
    ending = folder.entry("interruption.end", 1)
    lines = folder.lines(spot.file)
    folder.put(spot.file, [line for n, line in enumerate(lines) if n not in (spot.number, ending.number)])
    return struck_at(folder, spot, "stream_gap")


@tampering()
def the_last_entry_is_withheld(world: World, folder: Folder) -> Struck:
    file = folder.files()[-1]
    lines = folder.lines(file)
    number = max(n for n, line in enumerate(lines) if line.startswith(b"{"))
    offset = sum(len(line) + 1 for line in lines[:number])
    folder.put(file, lines[:number] + lines[number + 1 :])
    if folder.is_spool:
        return Struck(("journal_damage",), file, offset=offset)
    return Struck(("proof_forged",), "session.tlog-proof")


@tampering()
def the_first_entry_of_the_session_is_withheld(world: World, folder: Folder) -> Struck:
    spot = folder.entry("session.open")
    lines = folder.lines(spot.file)
    folder.put(spot.file, lines[: spot.number] + lines[spot.number + 1 :])
    return struck_at(folder, spot, "session_not_opened", "stream_late")


@tampering()
def the_first_entries_of_the_device_are_withheld(world: World, folder: Folder) -> Struck:
    spot = folder.entry("journal.begin")
    folder.put(spot.file, folder.lines(spot.file)[spot.number + 2 :])
    return struck_at(folder, spot, "stream_late")


@tampering()
def the_end_of_the_session_is_withheld(world: World, folder: Folder) -> Struck:
    """From the end of the last interruption on; the export's proof is for an entry that is gone."""
    spot = folder.entry("interruption.end", 1)
    lines = folder.lines(spot.file)
    folder.put(spot.file, lines[: spot.number])
    if folder.is_spool:
        return Struck(("rolled_back",))
    return Struck(("proof_forged",), "session.tlog-proof")


@tampering()
def an_entry_is_put_in_twice(world: World, folder: Folder) -> Struck:
    spot = folder.entry("mark") if folder.kind != "excerpt" else folder.entry("fragment", 1)
    lines = folder.lines(spot.file)
    folder.put(spot.file, [*lines[: spot.number], lines[spot.number], *lines[spot.number :]])
    return struck_at(folder, spot, "stream_gap")


@tampering()
def two_neighbouring_entries_are_swapped(world: World, folder: Folder) -> Struck:
    first = folder.entry("fragment", 2)
    second = next_entry(folder, first)
    lines = folder.lines(first.file)
    lines[first.number], lines[second.number] = lines[second.number], lines[first.number]
    folder.put(first.file, lines)
    return struck_at(folder, first, "stream_gap")


# --- reasons -------------------------------------------------------------------------------------------------


def edited_reason(folder: Folder, old: bytes, new: bytes) -> Struck:
    spot = folder.change(folder.entry("explanation"), replace(old, new))
    return after(folder, spot, "stream_broken")


@tampering()
def the_range_of_a_reason_is_moved(world: World, folder: Folder) -> Struck:
    spoken = folder.entry("explanation").value["spoken"]
    return edited_reason(folder, b'"from_us":%d' % spoken["from_us"], b'"from_us":%d' % (spoken["from_us"] - SECOND))


@tampering()
def the_fragments_of_a_reason_are_edited(world: World, folder: Folder) -> Struck:
    return edited_reason(folder, b'"first":1', b'"first":0')


@tampering()
def the_amount_of_speech_in_a_reason_is_edited(world: World, folder: Folder) -> Struck:
    return edited_reason(folder, b'"speech_ms":5000', b'"speech_ms":6000')


@tampering()
def the_session_of_a_reason_s_sound_is_edited(world: World, folder: Folder) -> Struck:
    return edited_reason(folder, b'"session":"s000002"', b'"session":"s000003"')


@tampering()
def a_spoken_reason_is_passed_off_as_a_written_one(world: World, folder: Folder) -> Struck:
    return edited_reason(folder, b'"how":"spoken"', b'"how":"written"')


@tampering()
def the_officer_of_a_reason_is_edited(world: World, folder: Folder) -> Struck:
    return edited_reason(folder, b'"officer":"210013"', b'"officer":"210014"')


@tampering()
def a_reason_is_bound_to_another_interruption(world: World, folder: Folder) -> Struck:
    spot = folder.change(folder.entry("explanation", 1), replace(b'"interruption":1', b'"interruption":0'))
    return after(folder, spot, "stream_broken")


@tampering()
def a_reason_is_bound_to_an_interruption_that_comes_later(world: World, folder: Folder) -> Struck:
    spot = folder.change(folder.entry("explanation"), replace(b'"interruption":0', b'"interruption":1'))
    if folder.is_spool:
        return struck_at(folder, spot)
    return Struck(("explanation_unknown",), spot.file, spot.name)


@tampering()
def a_reason_is_dropped(world: World, folder: Folder) -> Struck:
    return dropped(folder, folder.entry("explanation"))


@tampering()
def a_question_for_the_reason_is_dropped(world: World, folder: Folder) -> Struck:
    return dropped(folder, folder.entry("explanation.asked", 1))


def dropped(folder: Folder, spot: Spot) -> Struck:
    following, lines = next_entry(folder, spot), folder.lines(spot.file)
    folder.put(spot.file, lines[: spot.number] + lines[spot.number + 1 :])
    if folder.is_spool:
        return struck_at(folder, spot)
    return Struck(("stream_gap",), spot.file, following.name)


@tampering()
def a_reason_is_put_in_twice(world: World, folder: Folder) -> Struck:
    spot = folder.entry("explanation")
    lines = folder.lines(spot.file)
    folder.put(spot.file, [*lines[: spot.number], lines[spot.number], *lines[spot.number :]])
    return struck_at(folder, spot, "explanation_twice")


# --- entries of others -----------------------------------------------------------------------------------------


@tampering()
def an_entry_of_another_session_is_spliced_in(world: World, folder: Folder) -> Struck:
    spot = folder.entry("fragment", 2)
    spliced = foreign_line(world.root / "spool", "s000001")
    lines = folder.lines(spot.file)
    folder.put(spot.file, [*lines[: spot.number], spliced, *lines[spot.number :]])
    if folder.is_spool:
        return struck_at(folder, spot)
    return Struck(("foreign_entry",), spot.file, f"s000001#{json.loads(spliced)['n']}")


def foreign_line(spool: Path, stream: str) -> bytes:
    """A mark or annotation of some session, as its journal has it."""
    folder = Folder("spool", spool)
    spot = folder.find(lambda value: value["stream"] == stream and value["type"] in ("annotate", "mark"))
    return folder.lines(spot.file)[spot.number]


@tampering()
def an_entry_of_another_device_is_spliced_in(world: World, folder: Folder) -> Struck:
    spot = folder.entry("fragment", 2)
    lines = folder.lines(spot.file)
    folder.put(spot.file, [*lines[: spot.number], foreign_line(world.root / "other", SESSION), *lines[spot.number :]])
    return struck_at(folder, spot, "stream_gap")


@tampering()
def an_entry_is_edited_and_all_later_ones_are_linked_again(world: World, folder: Folder) -> Struck:
    """Without the key the root, and in an export the proof, still says no."""
    spot = folder.entry("interruption.begin")
    lines = folder.lines(spot.file)
    lines[spot.number] = lines[spot.number].replace(b"no packet", b"a hand was")
    leaf = leaf_hash(lines[spot.number])
    for number in range(spot.number + 1, len(lines)):
        value = json.loads(lines[number])
        if isinstance(value, dict) and value["stream"] == SESSION:
            lines[number] = canonical.encode(value | {"prev": canonical.b64(leaf)})
            leaf = leaf_hash(lines[number])
    folder.put(spot.file, lines)
    if folder.is_spool:
        return struck_at(folder, spot)
    return Struck(("proof_forged",), "session.tlog-proof")


def malformed(name: str, change: Callable[[bytes], bytes]) -> None:
    """A tampering that makes a line one that no device writes."""

    def apply(world: World, folder: Folder) -> Struck:
        spot = folder.change(folder.entry("fragment", 1), change)
        kinds = ("journal_damage",) if folder.is_spool else ("line_malformed",)
        return Struck(kinds, spot.file, offset=spot.offset)

    apply.__name__ = name
    tampering()(apply)


malformed("white_space_is_added_to_an_entry", lambda line: line.replace(b",", b", ", 1))
malformed("a_key_stands_twice_in_an_entry", lambda line: b'{"boot":1,' + line[1:])
malformed("an_entry_is_not_utf_8", lambda line: line.replace(b'"lag_ms":12', b'"lag_ms":"\xff\xfe"'))
malformed("an_entry_has_more_than_64_kib", lambda line: line[:-1] + b',"x":"' + b"x" * 70_000 + b'"}')
malformed("an_entry_is_nested_a_thousand_deep", lambda line: b'{"a":' * 1000 + b"1" + b"}" * 1000)
malformed("an_entry_holds_a_float", lambda line: line.replace(b'"lag_ms":12', b'"lag_ms":12.5'))
malformed("an_entry_gets_a_member_that_no_type_has", lambda line: line[:-1] + b',"zzz":"1"}')
malformed("an_entry_is_cut_in_the_middle", lambda line: line[: len(line) // 2])
malformed("a_line_is_emptied", lambda line: b"")


# --- checkpoints, proofs, keys -----------------------------------------------------------------------------


def struck_checkpoint(folder: Folder) -> Struck:
    kinds = ("journal_damage",) if folder.is_spool else ("checkpoint_forged",)
    return Struck(kinds, folder.checkpoint_file())


@tampering()
def the_size_in_a_checkpoint_is_edited(world: World, folder: Folder) -> Struck:
    folder.edit_checkpoint(replace(b"/1\n", b"/1\n1"))
    return struck_checkpoint(folder)


@tampering()
def the_root_in_a_checkpoint_is_edited(world: World, folder: Folder) -> Struck:
    folder.edit_checkpoint(lambda note: b"\n".join([*note.split(b"\n")[:2], b"A" * 43 + b"=", *note.split(b"\n")[3:]]))
    return struck_checkpoint(folder)


@tampering()
def the_origin_in_a_checkpoint_is_edited(world: World, folder: Folder) -> Struck:
    folder.edit_checkpoint(replace(b"liuhen/cam-1/1", b"liuhen/cam-9/1"), nth=-3)
    return struck_checkpoint(folder)


@tampering()
def a_signature_is_flipped(world: World, folder: Folder) -> Struck:
    folder.edit_checkpoint(lambda note: note[:-20] + (b"B" if note[-20:-19] != b"B" else b"C") + note[-19:], nth=-5)
    return struck_checkpoint(folder)


@tampering()
def the_signature_of_the_last_checkpoint_is_flipped(world: World, folder: Folder) -> Struck:
    folder.edit_checkpoint(lambda note: note[:-20] + (b"B" if note[-20:-19] != b"B" else b"C") + note[-19:])
    return struck_checkpoint(folder)


@tampering()
def a_checkpoint_of_another_device_is_put_in_its_place(world: World, folder: Folder) -> Struck:
    folder.edit_checkpoint(lambda note: world.other.log.last_checkpoint)
    return struck_checkpoint(folder)


@tampering()
def an_older_checkpoint_is_put_in_its_place(world: World, folder: Folder) -> Struck:
    newest = Folder("spool", world.root / "spool")
    older = [line for line in newest.lines(newest.files()[-1]) if line.startswith(b'"')][-4]
    folder.edit_checkpoint(lambda note: json.loads(older).encode())
    if folder.is_spool:
        return struck_checkpoint(folder)
    return Struck(("proof_other_checkpoint",), "session.tlog-proof")


@tampering()
def the_key_in_the_folder_is_replaced(world: World, folder: Folder) -> Struck:
    name = "journal/0001/device.vkey" if folder.is_spool else "device.vkey"
    (folder.root / name).write_text(world.other.signer.vkey.line() + "\n")
    return Struck(("key_differs",))


@tampering()
def the_key_in_the_folder_is_garbage(world: World, folder: Folder) -> Struck:
    name = "journal/0001/device.vkey" if folder.is_spool else "device.vkey"
    (folder.root / name).write_bytes(b"\xff\xfe garbage")
    return Struck(("key_malformed",), name)


@tampering()
def the_key_in_the_folder_is_deleted(world: World, folder: Folder) -> Struck:
    name = "journal/0001/device.vkey" if folder.is_spool else "device.vkey"
    (folder.root / name).unlink()
    return Struck(("file_missing",), name)


@tampering()
def everything_is_signed_again_with_another_key(world: World, folder: Folder) -> Struck:
    forger = small_spool(folder.root.parent / "forger", seed=77, name="cam-1", flush_s=20)
    export_all(forger.root, folder.root.parent / "forged")
    source = forger.root if folder.is_spool else folder.root.parent / "forged" / folder.kind
    replace_folder(folder, source)
    return Struck(("key_differs",))


def replace_folder(folder: Folder, source: Path) -> None:
    shutil.rmtree(folder.root)
    shutil.copytree(source, folder.root)


@tampering()
def the_whole_folder_is_put_back_to_an_older_state(world: World, folder: Folder) -> Struck:
    older = small_spool(folder.root.parent / "older", flush_s=20, still_open=False)
    export_all(older.root, folder.root.parent / "old")
    replace_folder(folder, older.root if folder.is_spool else folder.root.parent / "old" / folder.kind)
    return Struck(("rolled_back",) if folder.is_spool else ("checkpoint_not_comparable",))


@tampering()
def the_device_signs_a_second_history(world: World, folder: Folder) -> Struck:
    """Same keys, same size, another root: only a checkpoint from elsewhere can tell."""
    fork = small_spool(folder.root.parent / "fork", flush_s=21)
    assert fork.log.size == world.device.log.size
    export_all(fork.root, folder.root.parent / "forked")
    replace_folder(folder, fork.root if folder.is_spool else folder.root.parent / "forked" / folder.kind)
    return Struck(("checkpoint_differs",))


@tampering("spool")
def a_journal_file_is_deleted(world: World, folder: Folder) -> Struck:
    third = folder.files()[0]
    (folder.root / third).unlink()
    return Struck(("session_missing", "session_unannounced", "stream_late", "file_unnamed"))


@tampering("spool")
def the_end_of_an_older_journal_file_is_cut_off(world: World, folder: Folder) -> Struck:
    file = folder.files()[0]
    folder.put(file, folder.lines(file)[:-4])
    return Struck(("journal_damage",), folder.files()[1])


@tampering("spool")
def the_newest_journal_file_is_cut_back_to_an_earlier_checkpoint(world: World, folder: Folder) -> Struck:
    file = folder.files()[-1]
    folder.put(file, folder.lines(file)[:-6])
    return Struck(("rolled_back",))


@tampering("spool")
def the_tree_in_a_header_is_edited(world: World, folder: Folder) -> Struck:
    return edit_header(folder, 3)


@tampering("spool")
def a_stream_in_a_header_is_edited(world: World, folder: Folder) -> Struck:
    return edit_header(folder, 4)


def edit_header(folder: Folder, part: int) -> Struck:
    file = folder.files()[-1]
    lines = folder.lines(file)
    header = json.loads(lines[0])
    if part == 3:
        header[3][0] = canonical.b64(bytes(32))
    else:
        header[4]["s000001"][1] = canonical.b64(bytes(32))
    lines[0] = canonical.encode(header)
    folder.put(file, lines)
    return Struck(("journal_damage",), file)


@tampering("spool")
def a_journal_file_is_renamed(world: World, folder: Folder) -> Struck:
    file = folder.files()[-1]
    renamed = file[: file.rindex("/")] + "/000000000099.log"
    (folder.root / file).rename(folder.root / renamed)
    return Struck(("journal_name",), renamed)


@tampering("spool")
def a_generation_of_another_device_is_added(world: World, folder: Folder) -> Struck:
    shutil.copytree(world.root / "other/journal/0001", folder.root / "journal/0002")
    return Struck(("generation_unlinked",))


@tampering("export", "excerpt")
def the_index_in_a_proof_is_edited(world: World, folder: Folder) -> Struck:
    folder.edit("session.tlog-proof", replace(b"\nindex ", b"\nindex 1"))
    return Struck(("proof_forged",), "session.tlog-proof")


@tampering("export", "excerpt")
def a_hash_in_a_proof_is_edited(world: World, folder: Folder) -> Struck:
    folder.edit("device.tlog-proof", lambda data: data.replace(data.split(b"\n")[2], b"A" * 43 + b"="))
    return Struck(("proof_forged",), "device.tlog-proof")


@tampering("export", "excerpt")
def the_two_proofs_are_swapped(world: World, folder: Folder) -> Struck:
    session, device = (folder.root / name for name in ("session.tlog-proof", "device.tlog-proof"))
    session_bytes = session.read_bytes()
    session.write_bytes(device.read_bytes())
    device.write_bytes(session_bytes)
    return Struck(("proof_forged",), "session.tlog-proof")


@tampering("export", "excerpt")
def a_proof_is_deleted(world: World, folder: Folder) -> Struck:
    (folder.root / "session.tlog-proof").unlink()
    return Struck(("file_missing",), "session.tlog-proof")


@tampering("export", "excerpt")
def the_stream_of_the_device_is_deleted(world: World, folder: Folder) -> Struck:
    (folder.root / "device.jsonl").unlink()
    return Struck(("file_missing",), "device.jsonl")


@tampering("export", "excerpt")
def the_stream_of_the_session_is_another_device_s(world: World, folder: Folder) -> Struck:
    shutil.copy(world.root / "others" / folder.kind / "session.jsonl", folder.root / "session.jsonl")
    return Struck(("proof_forged",), "session.tlog-proof")


@tampering("export", "excerpt")
def a_file_is_added_beside_the_streams(world: World, folder: Folder) -> Struck:
    (folder.root / "statement.txt").write_text("It was otherwise.")
    return Struck(("file_unnamed",), "statement.txt")


@tampering("export")
def a_whole_session_is_passed_off_as_an_excerpt_without_its_beginning(world: World, folder: Folder) -> Struck:
    spot = folder.entry("interruption.begin")
    lines = folder.lines(spot.file)
    folder.put(spot.file, lines[:1] + lines[spot.number :])
    return Struck(("stream_gap",), spot.file, spot.name)


@tampering("excerpt")
def an_excerpt_claims_more_than_it_holds(world: World, folder: Folder) -> Struck:
    told = json.loads((folder.root / "excerpt.json").read_bytes())
    (folder.root / "excerpt.json").write_text(json.dumps(told | {"to_us": 400 * SECOND}))
    return Struck(("gap_unexplained",), "session.jsonl")


@tampering("excerpt")
def the_claim_of_an_excerpt_is_garbage(world: World, folder: Folder) -> Struck:
    (folder.root / "excerpt.json").write_bytes(b"[" * 5000)
    return Struck(("excerpt_malformed",), "excerpt.json")


# --- a device that signs what is not so ------------------------------------------------------------------


Story = Callable[[Device, Recording], None]
LIES: dict[str, tuple[Story, tuple[str, ...]]] = {}


def lie(*kinds: str) -> Callable[[Story], Story]:
    def register(function: Story) -> Story:
        LIES[function.__name__] = (function, kinds)
        return function

    return register


@lie("media_time")
def time_stamps_in_the_media_are_shifted(device: Device, recording: Recording) -> None:
    recording.flush(shift_ticks=3_600)


@lie("media_malformed")
def something_is_hidden_in_the_padding(device: Device, recording: Recording) -> None:
    recording.flush(hidden=b"hidden")


@lie("init_differs")
def the_init_segment_is_another_than_the_journal_says(device: Device, recording: Recording) -> None:
    recording.close_segment()
    real = recording.init
    recording.init = mp4.init_segment(recording.video, None).ljust(len(real), b"\0")
    recording.open_segment("length")
    recording.buffer = real
    recording.flush()


@lie("gap_unexplained")
def three_seconds_are_left_out_without_an_interruption(device: Device, recording: Recording) -> None:
    device.wait(3)
    for track, rate in (("video", 90_000), ("sound", 48_000)):
        recording.tick[track] += 3 * rate
    recording.flush()


@lie("ticks_jump")
def a_single_frame_is_left_out_without_an_interruption(device: Device, recording: Recording) -> None:
    recording.tick["video"] += 3_600
    recording.flush()


@lie("time_overlap")
def the_same_moment_is_recorded_twice(device: Device, recording: Recording) -> None:
    recording.tick["video"] -= 4_500
    recording.flush()


@lie("moment_differs")
def the_track_runs_ahead_of_the_clock_of_its_capture(device: Device, recording: Recording) -> None:
    recording.zero_us += 300_000
    recording.flush()


@lie("interruption_open")
def an_interruption_never_ends(device: Device, recording: Recording) -> None:
    recording.interrupt("position", "position")


@lie("segment_not_closed")
def a_segment_is_never_closed(device: Device, recording: Recording) -> None:
    recording.open_segment("length")
    recording.flush()


@lie("fragment_order")
def a_fragment_number_is_left_out(device: Device, recording: Recording) -> None:
    recording.index += 1
    recording.flush()


@lie("segment_name")
def a_segment_is_said_to_lie_outside_its_session(device: Device, recording: Recording) -> None:
    recording.close_segment()
    recording.folder = "s000001"
    recording.open_segment("length")
    recording.flush()


def camera_fails(recording: Recording) -> int:
    """For a second, while the sound goes on; then a second of both, in which somebody may speak."""
    hole = recording.interrupt("video", "camera")
    recording.flush("sound")
    recording.resume(hole, tracks="video")
    recording.flush()
    return hole[0]


def written(interruption: int, **given: Any) -> e.Explanation:
    return e.Explanation(interruption=interruption, how="written", officer="210013", **given)


@lie("explanation_unknown")
def a_reason_is_given_for_an_interruption_that_never_was(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording) + 1)


@lie("explanation_unknown")
def a_reason_is_given_before_its_interruption_begins(device: Device, recording: Recording) -> None:
    recording.explain(0)
    camera_fails(recording)


@lie("asked_unknown")
def a_reason_is_asked_for_of_an_interruption_that_never_was(device: Device, recording: Recording) -> None:
    recording.ask(camera_fails(recording) + 1)


@lie("explanation_twice")
def an_interruption_is_explained_twice(device: Device, recording: Recording) -> None:
    number = camera_fails(recording)
    recording.explain(number)
    recording.explain(number)


@lie("explanation_early")
def an_interruption_is_explained_before_it_has_ended(device: Device, recording: Recording) -> None:
    hole = recording.interrupt("video", "camera")
    recording.flush("sound")
    recording.explain(hole[0])
    recording.resume(hole, tracks="video")


@lie("explanation_form")
def a_spoken_reason_names_no_sound(device: Device, recording: Recording) -> None:
    recording.tell(e.Explanation(interruption=camera_fails(recording), how="spoken", officer="210013"))


@lie("explanation_form")
def a_written_reason_names_sound(device: Device, recording: Recording) -> None:
    number = camera_fails(recording)
    recording.tell(written(number, private=device.seal("镜头松动"), spoken=recording.spoken()))


@lie("explanation_form")
def a_written_reason_holds_no_text(device: Device, recording: Recording) -> None:
    recording.tell(written(camera_fails(recording)))


@lie("explanation_written")
def a_reason_is_written_though_the_microphone_worked(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), text="镜头松动")


@lie("explanation_reversed")
def the_range_of_a_reason_ends_before_it_begins(device: Device, recording: Recording) -> None:
    number, now_us = camera_fails(recording), device.now_us
    recording.explain(number, recording.spoken(from_us=now_us, until_us=now_us - SECOND))


@lie("explanation_reversed")
def the_range_of_a_reason_has_no_length(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(device.now_us - 1, device.now_us - 1))


@lie("explanation_foretold")
def a_reason_was_spoken_before_the_interruption_began(device: Device, recording: Recording) -> None:
    number, zero_us = camera_fails(recording), recording.zero_us
    recording.explain(number, recording.spoken(zero_us + SECOND // 5, zero_us + SECOND * 4 // 5))


@lie("explanation_speech")
def nobody_spoke(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(speech_ms=0))


@lie("explanation_speech")
def more_was_spoken_than_was_recorded(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(speech_ms=500 + 501))


@lie("explanation_session")
def a_reason_was_spoken_in_a_session_that_never_was(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(session="s000099"))


@lie("explanation_fragments")
def a_reason_was_spoken_in_a_session_without_sound(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(session="s000001"))


def rows(*named: tuple[int, int, int]) -> list[e.FragmentRef]:
    return [e.FragmentRef(segment=segment, first=first, last=last) for segment, first, last in named]


@lie("explanation_fragments")
def the_fragments_of_a_reason_are_not_there(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(fragments=rows((0, 0, 99))))


@lie("explanation_fragments")
def a_reason_names_no_fragment(device: Device, recording: Recording) -> None:
    number, now_us = camera_fails(recording), device.now_us
    recording.explain(number, recording.spoken(now_us - SECOND // 20, fragments=[]))


@lie("explanation_fragments")
def a_reason_names_a_fragment_twice(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(fragments=rows((0, 1, 2), (0, 2, 2))))


@lie("explanation_outside")
def a_reason_lies_in_other_fragments_than_it_names(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(fragments=rows((0, 0, 1))))


@lie("explanation_outside")
def a_reason_goes_on_after_the_sound(device: Device, recording: Recording) -> None:
    number, now_us = camera_fails(recording), device.now_us
    recording.explain(number, recording.spoken(now_us - SECOND // 2, now_us + SECOND // 10))


@lie("explanation_outside")
def a_reason_was_spoken_in_another_boot_than_its_sound(device: Device, recording: Recording) -> None:
    recording.explain(camera_fails(recording), recording.spoken(boot=device.boot + 1))


@lie("explanation_outside")
def a_reason_was_spoken_while_there_was_no_sound(device: Device, recording: Recording) -> None:
    number, from_us = camera_fails(recording), device.now_us - SECOND // 2
    hole = recording.interrupt("sound", "microphone")
    device.wait(0.2)
    recording.resume(hole, tracks="video sound")
    recording.flush()
    recording.explain(number, recording.spoken(from_us))


@lie("addendum_alone")
def something_is_added_to_a_reason_that_was_not_given(device: Device, recording: Recording) -> None:
    number = camera_fails(recording)
    recording.add(number)
    recording.explain(number)


@lie("explanation_outside")
def what_is_added_to_a_reason_does_not_lie_in_the_sound(device: Device, recording: Recording) -> None:
    number, now_us = camera_fails(recording), device.now_us
    recording.explain(number)
    recording.add(number, structs.replace(recording.spoken(), until_us=now_us + 9 * SECOND))


def lying_spool(root: Path, story: Story) -> Device:
    device = Device(root)
    other = Recording(device, 1)
    other.close()
    recording = Recording(device, 2)
    recording.open_segment()
    recording.flush()
    story(device, recording)
    recording.flush()
    recording.close_segment()
    recording.close()
    return device


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_device_that_signs_what_is_not_so_is_found(name: str, tmp_path: Path) -> None:
    story, kinds = LIES[name]
    device = lying_spool(tmp_path / "spool", story)
    verdict = verify(tmp_path / "spool", options(device)).json
    found = [problem for problem in verdict["problems"] if problem["kind"] in kinds]
    assert found, verdict["problems"]
    assert all((problem["entry"] or "").startswith(SESSION) for problem in found)


# --- the table ---------------------------------------------------------------------------------------------


def test_the_table_has_at_least_forty_tamperings() -> None:
    everywhere = [name for name, kinds in ONLY.items() if kinds == KINDS]
    assert len(everywhere) >= 40
    assert len(ONLY) == len(TABLE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_untouched_original_passes_with_every_interruption_explained(kind: str, world: World) -> None:
    verdict = verify(world.root / kind, world.options)
    assert (verdict.json["problems"], verdict.status) == ([], 0)
    answers = [verdict.json[name]["answer"] for name in ("bytes_intact", "nothing_missing", "signer", "time")]
    assert answers == ["yes"] * 4
    known = [one for session in verdict.json["sessions"] for one in session["interruptions"]]
    assert [one["explained"] for one in known] == ["yes", "yes"]


CASES = [(t, kind) for t in TABLE for kind in ONLY[t.__name__]]


@pytest.mark.parametrize(("apply", "kind"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_every_tampering_is_found_at_its_place(apply: Tampering, kind: str, world: World, tmp_path: Path) -> None:
    folder = world.copy(kind, tmp_path / kind)
    struck = apply(world, folder)
    folder.repair_sums()
    verdict = world.verdict(folder)
    named = [problem for problem in verdict["problems"] if is_named(problem, struck)]
    assert named, [(p["kind"], p["file"], p["entry"], p["offset"], p["text"]) for p in verdict["problems"]]
    assert {"no", "unknown"} & {verdict[name]["answer"] for name in ("bytes_intact", "nothing_missing", "signer")}


def is_named(problem: dict[str, object], struck: Struck) -> bool:
    """Whether a problem says what was struck and where: the file, the entry, the byte within one flush."""
    offset = problem["offset"]
    reach = CHUNK + HEADER if ".age" in str(problem["file"]) else LINES
    near = struck.offset is None or (isinstance(offset, int) and abs(offset - struck.offset) <= reach)
    return (
        problem["kind"] in struck.kinds
        and struck.file in (None, problem["file"])
        and struck.entry in (None, problem["entry"])
        and near
    )
