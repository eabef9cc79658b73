"""What the local interface takes about alarms: bounded, by name, and small enough for an entry (R19c)."""

import json
import os
from typing import Any, cast

import msgspec
import pytest

from agent.evidence import age
from agent.evidence import entries as e
from agent.evidence.canonical import MAX_INT
from agent.evidence.journal import decode_entry, encode_entry
from agent.evidence.private import seal_private
from agent.recorder import api
from agent.recorder import messages as m
from agent.recorder.service import Service

API = api.Api(Service.__new__(Service))  # what makes messages of bodies asks no service
RECIPIENTS = [age.Identity(bytes([number] * 32)).recipient() for number in range(1, 21)]
MAKERS = {
    "report": (api.ReportBody, API._report),
    "acknowledge": (api.AcknowledgeBody, API._acknowledge),
    "statement": (api.StatementBody, API._statement),
}
SENTENCE = "摄像头接口松动,已更换设备。"


def taken(command: str, body: dict[str, Any]) -> m.Message:
    """The recorder's message; raises what becomes an answer 400."""
    kind, make = MAKERS[command]
    decoded = msgspec.json.decode(json.dumps(body, ensure_ascii=False).encode(), type=kind)
    return cast(m.Message, cast(Any, make)(decoded))


def test_a_report_is_for_one_alarm_or_for_all() -> None:
    one, every = taken("report", {"alarm": 3, "how": "radio", "private": "张队长"}), taken("report", {})
    assert isinstance(one, m.AlarmReported) and isinstance(every, m.AlarmReported)
    assert (one.alarm, one.how, one.private) == (3, "radio", "张队长")
    assert (every.alarm, every.how, every.private) == (-1, "phone", "")
    assert 0 < one.at_ns <= every.at_ns


def test_an_acknowledgement_and_a_statement_are_taken_as_they_are() -> None:
    assert taken("acknowledge", {"alarm": 0, "by": "310109", "private": "王五"}) == m.AlarmAcknowledged(
        0, "310109", "王五"
    )
    body = {"session": "s000001", "alarm": 0, "text": SENTENCE}
    assert taken("statement", body) == m.StatementGiven("s000001", 0, SENTENCE, "zh")


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "an alarm that is no number": ("report", {"alarm": "all"}, "alarm"),
    "a negative alarm": ("report", {"alarm": -1}, "alarm"),
    "an alarm above 2^53 - 1": ("acknowledge", {"alarm": MAX_INT + 1, "by": "1", "private": "王五"}, "alarm"),
    "a way of reporting that there is not": ("report", {"how": "letter"}, "how"),
    "an acknowledgement without a name": ("acknowledge", {"alarm": 0, "by": "310109", "private": " "}, "name"),
    "an acknowledgement without a number": ("acknowledge", {"alarm": 0, "by": "", "private": "王五"}, "officer"),
    "a name in the place of the number": ("acknowledge", {"alarm": 0, "by": "王五", "private": "王五"}, "officer"),
    "a statement of no session": ("statement", {"session": "../x", "alarm": 0, "text": "x"}, "session"),
    "a statement without its alarm": ("statement", {"session": "s000001", "text": "x"}, "alarm"),
    "a control character in a statement": ("statement", {"session": "s000001", "alarm": 0, "text": "a\u001b"}, "001B"),
    "a statement without end": ("statement", {"session": "s000001", "alarm": 0, "text": "x" * 8001}, "text"),
    "more UTF-8 than an entry takes": ("statement", {"session": "s000001", "alarm": 0, "text": "𠮷" * 7000}, "28000"),
    "a member that nobody knows": ("report", {"to": "张队长"}, "to"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_lies_out_of_bounds_is_refused_and_named(what: str) -> None:
    command, body, named = BAD[what]
    with pytest.raises((ValueError, msgspec.ValidationError), match=named):
        taken(command, body)


def test_the_greatest_statement_fits_into_an_entry_for_twenty_recipients() -> None:
    text = "案" * api.MAX_PRIVATE_CHARACTERS
    said = taken("statement", {"session": "s000001", "alarm": MAX_INT, "text": text})
    assert isinstance(said, m.StatementGiven)
    private = seal_private(said.text, RECIPIENTS, os.urandom)
    entry = e.Statement(stream="s000001", alarm=said.alarm, language="zh", officer="1" * 32, private=private)
    entry.n = entry.boot = entry.boot_us = MAX_INT
    entry.prev, entry.salt = "p" * 43, "A" * 22
    assert decode_entry(encode_entry(entry)) == entry
