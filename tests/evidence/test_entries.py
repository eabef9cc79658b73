"""The entries: the page that lists them, and rules that every Struct of the union keeps."""

import typing

import pytest
from msgspec import Struct

from agent.evidence import entries, entries_page
from agent.evidence.entries import Entry
from tests.evidence.journals import ENTRY_TYPES


def tag_of(kind: type[Entry]) -> str:
    return str(kind.__struct_config__.tag)


def test_the_page_is_what_the_structs_say() -> None:
    assert entries_page.PAGE.read_text(encoding="utf-8") == entries_page.render(), (
        "entries.py changed; run python -P -m agent.evidence.entries_page"
    )


def test_the_page_has_each_entry_once_with_each_of_its_members() -> None:
    page = entries_page.render()
    parts = page.split("\n### ")
    for kind in ENTRY_TYPES:
        (part,) = [part for part in parts if part.startswith(f"`{tag_of(kind)}`\n")]
        own = [name for name in kind.__struct_fields__ if name not in Entry.__struct_fields__]
        assert all(part.count(f"\n| `{name}` | ") == 1 for name in own)


def test_the_union_holds_every_entry_of_the_module_under_its_own_tag() -> None:
    written = {kind for kind in vars(entries).values() if isinstance(kind, type) and issubclass(kind, Entry)}
    assert written - {Entry} == set(ENTRY_TYPES)
    assert len({tag_of(kind) for kind in ENTRY_TYPES}) == len(ENTRY_TYPES)


@pytest.mark.parametrize("kind", [kind for kind in vars(entries).values() if isinstance(kind, type)], ids=str)
def test_a_struct_refuses_members_that_it_does_not_know_and_says_what_it_is_for(kind: type) -> None:
    if issubclass(kind, Struct) and kind is not Struct:
        assert kind.__struct_config__.forbid_unknown_fields
        assert kind.__doc__


@pytest.mark.parametrize("kind", ENTRY_TYPES, ids=tag_of)
def test_no_member_of_an_entry_is_a_float_a_boolean_null_or_bytes(kind: type[Entry]) -> None:
    """RFC 8785 without its floats: integers and strings only, so that a line has one spelling."""
    words = " ".join(str(hint) for hint in typing.get_type_hints(kind).values())
    assert not any(word in words for word in ("float", "bool", "None", "bytes", "dict"))
