"""One spelling for every value: canonical JSON and base64url."""

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evidence import canonical
from agent.evidence.entries import Mark, StageRange

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=6)
INTEGERS = st.integers(-canonical.MAX_INT, canonical.MAX_INT)
VALUES = st.recursive(
    TEXTS | INTEGERS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(NAMES, parts, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@settings(deadline=None)
def test_encoding_is_json_with_sorted_keys_and_no_white_space(value: object) -> None:
    encoded = canonical.encode(value)
    expected = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert encoded == expected.encode()
    assert json.loads(encoded) == value
    canonical.check(value)


def test_control_characters_are_escaped_as_rfc_8785_says() -> None:
    assert canonical.encode('\b\t\n\f\r\x00\x1f\x7f"\\/€') == '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\\"\\\\/€"'.encode()


def test_a_struct_is_sorted_by_names_and_its_unset_members_are_left_out() -> None:
    assert canonical.encode(StageRange(kind="stage", id="a")) == b'{"id":"a","kind":"stage"}'
    assert canonical.encode(Mark(at_us=1, label="x")).startswith(b'{"at_us":1,"boot":0,"boot_us":0,"label":"x","n":-1')


@pytest.mark.parametrize("value", ["\ud800", {"a": ["\udfff"]}, {1: "a"}, object(), [object()]])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(canonical.NotCanonical):
        canonical.encode(value)


MISFITS = {
    "$.a.1": {"a": [1, 1.5]},
    "$.b": {"b": True},
    "$.c": {"c": None},
    "$.d": {"d": b"bytes"},
    "$.e": {"e": canonical.MAX_INT + 1},
    "$.f.0.x": {"f": [{"x": -canonical.MAX_INT - 1}]},
    "$.g": {"g": "\ud800"},
    "$.at_us": Mark(at_us=float("nan"), label=""),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("place", MISFITS)
def test_what_a_canonical_line_may_not_hold_is_named_with_its_place(place: str) -> None:
    with pytest.raises(canonical.NotCanonical, match=place.replace("$", r"\$") + ":"):
        canonical.check(MISFITS[place])


def test_keys_that_are_no_text_are_named() -> None:
    with pytest.raises(canonical.NotCanonical, match="key"):
        canonical.check({(1, 2): "a"})
    with pytest.raises(canonical.NotCanonical, match="key"):
        canonical.check({1: "a"})


def test_the_greatest_integers_pass() -> None:
    value = {"a": canonical.MAX_INT, "b": -canonical.MAX_INT}
    canonical.check(value)
    assert msgspec.json.decode(canonical.encode(value)) == value


@given(st.binary(max_size=100))
@settings(deadline=None)
def test_base64url_has_no_padding_and_comes_back(data: bytes) -> None:
    text = canonical.b64(data)
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    assert canonical.unb64(text) == data


@given(st.text(st.sampled_from("AQgwB_-+/= \n9zé"), max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_text_is_read_only_if_it_is_the_one_spelling(text: str) -> None:
    try:
        data = canonical.unb64(text)
    except canonical.NotCanonical:
        return
    assert canonical.b64(data) == text


WRONG_SPELLINGS = [
    "QQ==",
    "QQ=",
    "QR",
    "QQ\n",
    " QQ",
    "Q Q",
    "Q",
    "QUFBQ",
    "+/+/",
    "Q+8",
    "é",
    "QQ\x00",
    "=",
    "QQ==QQ",
    "\ud800",
]


@pytest.mark.parametrize("text", WRONG_SPELLINGS)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(canonical.NotCanonical):
        canonical.unb64(text)
