"""Where things lie in a spool, and what they are called (design, storage).

Pure: paths relative to the spool. File names carry the best UTC known when the file was made and are never
changed; the order of segments is their number, not their time.
"""

import re
from datetime import UTC, datetime, timedelta

LOCK = "lock"
ASIDE = "aside"
SEGMENTS = "segments"
JOURNAL = "journal"
UNKNOWN_TIME = "0" * 14
_SEGMENT_NAME = re.compile(r"[A-Za-z0-9-]+_[A-Za-z0-9-]+_[0-9]{14}_([0-9]{6,})(_IMP)?\.mp4\.age")


def journal_folder(generation: int) -> str:
    return f"{JOURNAL}/{generation:04d}"


def journal_file(generation: int, first: int) -> str:
    """A journal file is named after the index of its first entry."""
    return f"{journal_folder(generation)}/{first:012d}.log"


def session_id(number: int) -> str:
    return f"s{number:06d}"


def session_number(session: str) -> int:
    """The number in a session's id; -1 where the text is none."""
    number = int(session[1:]) if re.fullmatch(r"s[0-9]{6,18}", session) else -1
    return number if session == session_id(number) else -1


def session_folder(session: str) -> str:
    return f"{SEGMENTS}/{session}"


def utc_stamp(utc_us: int) -> str:
    """YYYYMMDDHHMMSS; zeros where UTC is unknown (-1)."""
    if utc_us < 0:
        return UNKNOWN_TIME
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=utc_us)).strftime("%Y%m%d%H%M%S")


def segment_name(device: str, officer: str, utc_us: int, segment: int, important: bool) -> str:
    """DEVICE_OFFICER_YYYYMMDDHHMMSS_SEQ[_IMP].mp4.age"""
    return f"{device}_{officer}_{utc_stamp(utc_us)}_{segment:06d}{'_IMP' if important else ''}.mp4.age"


def segment_number(name: str) -> int:
    """SEQ of a segment file's name; -1 where the name is no segment's."""
    found = _SEGMENT_NAME.fullmatch(name)
    return int(found.group(1)) if found else -1
