"""The verdict: four answers apart, each problem with its place, never the word "admissible" (R13).

An answer is ``no`` where a problem counts against it, else ``unknown`` where a problem leaves it open, else ``yes``.
Exit status: a ``no`` 1, otherwise an ``unknown`` 2, otherwise an explanation that is owed 1, otherwise 0. An owed
explanation is a duty, no damage (R19b): ``nothing_missing`` stays ``yes``, ``explained`` says no. Of a spoken reason
it says that speech is there; whose it is and what it says is for people to hear.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agent.evidence.entries import DEVICE_STREAM, Clock, Spoken
from agent.verify.accounting import Account, Gap
from agent.verify.anchors import Anchors
from agent.verify.facts import Evidence, Log, Problem
from agent.verify.moments import Clocks, rfc3339
from agent.verify.reasons import shown
from agent.verify.session import Impairment, Interruption
from agent.verify.words import KINDS, Language, Question, answer, render

MAX_NAMES = 5
"""Sessions that a sentence names; the JSON has each."""


@dataclass(slots=True)
class Found:
    """Everything that the steps found."""

    evidence: Evidence
    anchors: Anchors
    clocks: Clocks = field(default_factory=lambda: Clocks(()))
    """Of the generation that is being judged; in the end of the newest."""
    accounts: list[tuple[Account, Clocks]] = field(default_factory=list)
    """Each session with the clocks of its generation."""
    problems: list[Problem] = field(default_factory=list)
    vouched: bool = False
    asked_part: bool = False
    """Whether the user asked for a range."""
    segments: int = 0
    fragments: int = 0
    sealed_bytes: int = 0
    unattested_bytes: int = 0
    opened_files: int = 0
    new_files: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict as JSON has it, and the exit status that it means."""

    json: dict[str, Any]
    status: int


def judge(found: Found, language: Language) -> Verdict:
    """Four answers, sessions, problems, counts."""
    answers = {
        "bytes_intact": _bytes_answer(found, language),
        "nothing_missing": _missing_answer(found, language),
        "signer": _signer_answer(found, language),
        "time": _time_answer(found, language),
    }
    return Verdict(
        {
            **answers,
            "sessions": [_session(account, clocks) for account, clocks in found.accounts],
            "problems": [_problem(problem, language) for problem in found.problems],
            "counts": _counts(found),
        },
        _status([value["answer"] for value in answers.values()], found.problems),
    )


def _status(answers: list[str], problems: list[Problem]) -> int:
    if "no" in answers:
        return 1
    if "unknown" in answers:
        return 2
    return 1 if any(KINDS[problem.kind].effect == "owed" for problem in problems) else 0


def _effect(found: Found, question: Question) -> str:
    effects = {KINDS[p.kind].effect for p in found.problems if KINDS[p.kind].question == question}
    return "no" if "no" in effects else "unknown" if "unknown" in effects else "yes"


# --- the four answers --------------------------------------------------------------------------------


def _bytes_answer(found: Found, language: Language) -> dict[str, Any]:
    given = _effect(found, "bytes_intact")
    if given != "yes":
        return {"answer": given, "text": answer(f"bytes_{given}", language)}
    counts = _counts(found)
    text = answer("bytes_yes", language, **{k: counts[k] for k in ("bytes", "segments", "entries", "checkpoints")})
    if found.opened_files:
        text += answer("bytes_opened", language, opened=found.opened_files)
    if found.asked_part:
        text += answer("bytes_asked", language)
    return {"answer": given, "text": text}


def _missing_answer(found: Found, language: Language) -> dict[str, Any]:
    given = _effect(found, "nothing_missing")
    if given != "yes":
        return {"answer": given, "text": answer(f"missing_{given}", language) + _reasons(found, language)}
    if not found.accounts:
        return {"answer": given, "text": answer("missing_none", language)}
    gaps = sum(len(account.gaps) for account, _ in found.accounts)
    text = answer("missing_yes", language, sessions=len(found.accounts), gaps=gaps)
    still_open = [account.session.id for account, _ in found.accounts if account.session.close is None]
    if still_open and found.evidence.excerpt is None:
        text += answer("missing_open", language, open=", ".join(still_open))
    if found.asked_part:
        text += answer("missing_asked", language)
    return {"answer": given, "text": text + _reasons(found, language)}


def _reasons(found: Found, language: Language) -> str:
    """What the reasons that hold are worth: speech without a judge, text, sound that must be fetched elsewhere."""
    holding = [known for account, _ in found.accounts for known in account.interruptions if known.holds]
    ways = Counter(known.explanation.how for known in holding if known.explanation)
    text = "".join(answer(f"reasons_{way}", language, count=ways[way]) for way in ("spoken", "written") if ways[way])
    elsewhere = [known.elsewhere for known in holding if known.elsewhere]
    if elsewhere:
        names = list(dict.fromkeys(elsewhere))
        listed = ", ".join(shown(name) for name in names[:MAX_NAMES]) + (", ..." if names[MAX_NAMES:] else "")
        text += answer("reasons_elsewhere", language, count=len(elsewhere), sessions=listed)
    return text


def _signer_answer(found: Found, language: Language) -> dict[str, Any]:
    given = _effect(found, "signer")
    key = next((log.key for log in reversed(found.evidence.logs) if log.key), None)
    between_s = _between_s(found)
    if key is None:
        given, text = "no", answer("signer_nobody", language)
    elif given != "yes":
        text = answer("signer_no" if given == "no" else "signer_compare", language)
        text += answer("signer_key", language, key=key.line()) if _key_fits(found) else ""
    else:
        given = "yes" if found.vouched else "unknown"
        text = answer(f"signer_{given}", language, key=key.line()) + _sizes(found, between_s, language)
    return {
        "answer": given,
        "text": text,
        "key": key.line() if key else None,
        "vouched_by": "argument" if key is not None and _key_fits(found) else "nobody",
        "device_size": found.anchors.device_size,
        "cosigned_size": found.anchors.cosigned_size,
        "between_s": between_s,
    }


def _key_fits(found: Found) -> bool:
    """Whether the user brought the key that signed, whatever else may be wrong about the signer."""
    return found.vouched and not any(problem.kind == "key_differs" for problem in found.problems)


def _sizes(found: Found, between_s: int | None, language: Language) -> str:
    """Down to where two parties vouch, and for how long the device's key alone."""
    device, cosigned = found.anchors.device_size, found.anchors.cosigned_size
    if not cosigned:
        return answer("signer_alone", language, device_size=device)
    text = answer("signer_cosigned", language, device_size=device, cosigned_size=cosigned)
    return text + (answer("signer_between", language, between_s=between_s) if between_s else "")


def _between_s(found: Found) -> int | None:
    """Seconds from the last co-signed entry to the last one that the device signed; None where it cannot be told."""
    size, logs = found.anchors.cosigned_size, found.evidence.logs
    if not size or not logs:
        return None
    if size == logs[-1].size:
        return 0
    moments = [_entry_us(logs[-1], index, found.clocks) for index in (size - 1, logs[-1].size - 1)]
    if moments[0] is None or moments[1] is None:
        return None
    return max(0, moments[1] - moments[0]) // 1_000_000


def _entry_us(log: Log, index: int, clocks: Clocks) -> int | None:
    entry = next((line.entry for line in reversed(log.lines) if line.index == index), None)
    return None if entry is None else clocks.utc_us(entry.boot, entry.boot_us)


def _time_answer(found: Found, language: Language) -> dict[str, Any]:
    """The clocks that govern the sessions, or the device where there is no session: the worst of them."""
    clocks = list(_governing(found))
    known = [clock for clock in clocks if clock is not None and clock.error_us >= 0]
    if not clocks or len(known) < len(clocks):
        return {"answer": "unknown", "text": answer("time_unknown", language), "source": "none", "error_ms": None}
    worst = max(known, key=lambda clock: clock.error_us)
    error_ms = -(-worst.error_us // 1000)
    text = answer("time_yes", language, source=worst.source.upper(), error_ms=error_ms)
    return {"answer": "yes", "text": text, "source": worst.source, "error_ms": error_ms}


def _governing(found: Found) -> Iterable[Clock | None]:
    """The clock of each moment that must have a time: of every session its ends and the start of each file."""
    for account, clocks in found.accounts:
        moments = [account.axis.moment(at) for at in (account.range.start_us, account.range.end_us)]
        lines = [segment.fragments[0] for segment in account.session.segments if segment.fragments]
        moments += [(line.entry.boot, line.entry.boot_us) for line in lines]
        yield from (clocks.governing(*moment) for moment in moments if moment)
    if not found.accounts:
        lines = [line for log in found.evidence.logs for line in log.lines if line.entry.stream == DEVICE_STREAM]
        yield from (found.clocks.governing(line.entry.boot, line.entry.boot_us) for line in lines[-1:])


# --- sessions, problems, counts ----------------------------------------------------------------------


def _session(account: Account, clocks: Clocks) -> dict[str, Any]:
    return {
        "id": account.session.id,
        "from": _utc(account, clocks, account.range.start_us),
        "to": _utc(account, clocks, account.range.end_us),
        "length_ms": (account.range.end_us - account.range.start_us) // 1000,
        "state": "closed" if account.session.close else "open",
        "tracks": [
            {"track": track, "required": "yes" if track in account.required else "no", "recorded_ms": us // 1000}
            for track, us in account.recorded_us.items()
            if us or track in account.required
        ],
        "gaps": [_gap(account, clocks, gap) for gap in account.gaps],
        "interruptions": [_interruption(known, clocks) for known in account.interruptions],
        "impairments": [_impairment(known, clocks) for known in account.session.impairments.values()],
    }


def _utc(account: Account, clocks: Clocks, presentation: int) -> str | None:
    moment = account.axis.moment(presentation)
    return rfc3339(clocks.utc_us(*moment)) if moment else None


def _gap(account: Account, clocks: Clocks, gap: Gap) -> dict[str, Any]:
    causes = list(dict.fromkeys(known.begin.cause for known in gap.reasons))
    return {
        "track": gap.track,
        "at_ms": gap.range.start_us // 1000,
        "length_ms": (gap.range.end_us - gap.range.start_us) // 1000,
        "from": _utc(account, clocks, gap.range.start_us),
        "to": _utc(account, clocks, gap.range.end_us),
        "reason": ", ".join(causes) if gap.explained_by_journal else "unexplained",
        "interruptions": [known.begin.interruption for known in gap.reasons],
    }


def _interruption(known: Interruption, clocks: Clocks) -> dict[str, Any]:
    begin, end = known.begin, known.end
    return {
        "interruption": begin.interruption,
        "track": begin.track,
        "cause": begin.cause,
        "text": begin.text,
        "from": rfc3339(clocks.utc_us(begin.last_boot, begin.last_us)),
        "to": rfc3339(clocks.utc_us(end.first_boot, end.first_us)) if end else None,
        "shortest_ms": end.shortest_us // 1000 if end else None,
        "longest_ms": end.longest_us // 1000 if end and end.longest_us >= 0 else None,
        "resumed": end.resumed if end else None,
        "explained": "yes" if known.holds else "no",
        "explanation": _explanation(known, clocks),
    }


def _explanation(known: Interruption, clocks: Clocks) -> dict[str, Any] | None:
    """How the reason was given, and where to hear it; None where none holds."""
    entry = known.explanation
    if entry is None or not known.holds:
        return None
    spoken = entry.spoken if isinstance(entry.spoken, Spoken) else None
    return {
        "how": entry.how,
        "officer": entry.officer,
        "session": spoken.session if spoken else None,
        "from": rfc3339(clocks.utc_us(spoken.boot, spoken.from_us)) if spoken else None,
        "to": rfc3339(clocks.utc_us(spoken.boot, spoken.until_us)) if spoken else None,
        "speech_ms": spoken.speech_ms if spoken else None,
        "asked": known.asked,
    }


def _impairment(known: Impairment, clocks: Clocks) -> dict[str, Any]:
    begin, end = known.begin, known.end
    return {
        "kind": begin.kind,
        "text": begin.text,
        "from": rfc3339(clocks.utc_us(begin.boot, begin.since_us)),
        "to": rfc3339(clocks.utc_us(end.boot, end.until_us)) if end else None,
    }


def _problem(problem: Problem, language: Language) -> dict[str, Any]:
    return {
        "kind": problem.kind,
        "file": None if problem.file is None else _shown(problem.file),
        "entry": problem.entry,
        "offset": problem.offset,
        "text": render(problem, language),
    }


def _shown(name: str) -> str:
    """A file's name as text, whatever bytes it is made of."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _counts(found: Found) -> dict[str, int]:
    logs = found.evidence.logs
    return {
        "sessions": len(found.accounts),
        "segments": found.segments,
        "fragments": found.fragments,
        "entries": sum(len(log.lines) for log in logs),
        "checkpoints": sum(log.checkpoints for log in logs),
        "bytes": found.sealed_bytes,
        "opened_files": found.opened_files,
        "unattested_bytes": found.unattested_bytes,
        "in_progress_lines": sum(log.progress_lines for log in logs),
        "in_progress_bytes": sum(log.progress_bytes for log in logs),
        "new_files": found.new_files,
    }
