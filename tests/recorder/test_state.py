"""The fold of the journal: what is accounted for in an open session, and what a new file carries."""

from hypothesis import given
from hypothesis import strategies as st

from agent.evidence import entries as e
from agent.recorder.state import DeviceState, SessionState, gap_us

S = "s000001"
SECOND = 1_000_000


def opened(*more: e.Entry) -> DeviceState:
    state = DeviceState()
    state.apply(e.Boot(boot=0, boot_id="b0"))
    state.apply(
        e.SessionOpen(
            stream=S,
            number=1,
            pressed_us=0,
            from_us=0,
            prerecord_ms=0,
            prerecord_sound="yes",
            required_tracks=["video", "sound"],
            power="inspection",
            officer="0",
            items_sha256="",
            config_sha256="",
        )
    )
    for entry in more:
        state.apply(entry)
    return state


def session(*more: e.Entry) -> SessionState:
    return opened(*more).sessions[S]


def media(video_s: float = -1, sound_s: float = -1) -> e.Fragment:
    ends: list[tuple[e.MediaTrack, float]] = [("video", video_s), ("sound", sound_s)]
    spans = [
        e.TrackSpan(track=track, tick=0, end_tick=int(end * 90), count=1, first_us=0, last_us=int(end * SECOND))
        for track, end in ends
        if end >= 0
    ]
    return e.Fragment(
        stream=S,
        segment=0,
        index=0,
        tracks=spans,
        end=1,
        sha256="",
        sealed=1,
        sealed_sha256="",
        lag_ms=0,
        fix="no",
        accuracy="none",
    )


def begin(number: int, track: e.Track, last_s: float) -> e.InterruptionBegin:
    last_us = int(last_s * SECOND)
    return e.InterruptionBegin(
        stream=S, interruption=number, track=track, cause="camera", text="", last_boot=0, last_us=last_us
    )


def end(number: int, first_s: float, boot: int = 0, shortest_s: float = 0) -> e.InterruptionEnd:
    return e.InterruptionEnd(
        stream=S,
        interruption=number,
        resumed="yes",
        first_boot=boot,
        first_us=int(first_s * SECOND),
        shortest_us=int(shortest_s * SECOND),
        longest_us=-1,
    )


def all_begin(number: int, last_s: float) -> e.InterruptionBegin:
    entry = begin(number, "video", last_s)
    entry.track = "all"
    return entry


def test_a_session_is_accounted_for_up_to_the_track_that_lags() -> None:
    assert session(media(10, 8)).last_us() == 8 * SECOND


def test_without_media_it_is_accounted_for_up_to_its_start() -> None:
    assert session().last_us() == 0


def test_an_open_interruption_accounts_for_its_track() -> None:
    """A microphone that ended an hour ago does not make the whole hour an interruption."""
    assert session(media(5, 5), begin(0, "sound", 5), media(3600)).last_us() == 3600 * SECOND


def test_an_interruption_that_is_over_accounts_for_its_track_before_new_media_is_attested() -> None:
    assert session(media(5, 5), begin(0, "sound", 5), end(0, 90), media(100)).last_us() == 90 * SECOND


def test_an_interruption_does_not_account_for_media_before_it_that_was_not_attested() -> None:
    """Interruptions are journalled at once, media a flush later: the cut came between."""
    assert session(media(10, 5), begin(0, "sound", 7), end(0, 9)).last_us() == 5 * SECOND
    assert session(media(10, 5), begin(0, "sound", 7)).last_us() == 5 * SECOND


def test_when_every_track_is_interrupted_the_last_good_moment_counts() -> None:
    assert session(media(5, 9), begin(0, "video", 5), begin(1, "sound", 9)).last_us() == 9 * SECOND


def test_after_another_boot_moments_are_of_that_boot() -> None:
    """A cut before the first fragment of a resumption must not take the old boot's moments for the new one's."""
    state = session(media(4000, 4000), all_begin(0, 4000), end(0, 12, boot=1, shortest_s=60))
    assert state.origin_boot == 1
    assert state.last_us() == 12 * SECOND
    assert state.shift_us == 4060 * SECOND
    assert state.ends["video"].end_tick == 4000 * 90


moments = st.lists(st.tuples(st.sampled_from(["video", "sound", "both"]), st.integers(1, 9)), max_size=12)


@given(moments)
def test_what_is_carried_into_a_new_file_is_the_state(steps: list[tuple[str, int]]) -> None:
    ends, entries = {"video": 0, "sound": 0}, []
    for track, more in steps:
        for one in ("video", "sound") if track == "both" else (track,):
            ends[one] += more
        entries.append(media(ends["video"], ends["sound"]))
    before, after = opened(*entries), DeviceState()
    for carry in before.carries():
        after.apply(carry)
    assert after.sessions == before.sessions
    assert after.boot_id == before.boot_id and after.next_session == before.next_session


def test_a_gap_over_boots_without_a_clock_is_at_least_the_uptime_and_has_no_longest() -> None:
    assert gap_us(all_begin(0, 10), 1, 7 * SECOND, 0, None, None, 10 * SECOND) == (7 * SECOND, -1)


def test_the_next_boot_began_after_the_last_media_of_any_track() -> None:
    assert gap_us(all_begin(0, 10), 1, 7 * SECOND, 0, None, None, 18 * SECOND) == (15 * SECOND, -1)


def test_a_gap_between_two_clocks_is_as_uncertain_as_both() -> None:
    shortest, longest = gap_us(all_begin(0, 10), 1, 7 * SECOND, 0, (0, 3), (100 * SECOND, 4), 0)
    assert (shortest, longest) == (100 * SECOND - 7, 100 * SECOND + 7)
