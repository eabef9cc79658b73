"""The clocks of this machine: CLOCK_BOOTTIME, the boot id, and how far the system's UTC can be believed (R16c).

The kernel tells (adjtimex) whether something disciplines its clock and the greatest error it can have; an
undisciplined clock has no source, whatever it shows.
"""

import ctypes
import os
import time
from pathlib import Path

from agent.recorder.messages import ClockReading

SIMULATED_BOOT = "LIUHEN_SIMULATED_BOOT"
"""``BOOT_ID:BEGAN_US``: a simulated device boots many times while its machine boots once."""
BRACKET_NS = 1_000_000
"""A sample of two clocks whose reads lie further apart was torn by the scheduler and is taken again."""
_SAMPLES = 5
_STA_UNSYNC = 0x40
_ERROR_STATE = 5


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def boottime_ns() -> int:
    """CLOCK_BOOTTIME, nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def asleep() -> tuple[int, int] | None:
    """A moment of CLOCK_BOOTTIME, and how long this machine had slept by then: CLOCK_BOOTTIME less CLOCK_MONOTONIC.

    Nanoseconds, the latter within half a bracket.

    None where the scheduler tore every sample: then nothing is known, and the next look tells.
    """
    for _ in range(_SAMPLES):
        before = time.monotonic_ns()
        at_ns = boottime_ns()
        after = time.monotonic_ns()
        if after - before <= BRACKET_NS:
            return at_ns, at_ns - (before + after) // 2
    return None


def boot() -> tuple[str, int]:
    """Boot id, and CLOCK_BOOTTIME in microseconds at which this boot began."""
    simulated = os.environ.get(SIMULATED_BOOT, "")
    if simulated:
        boot_id, _, began_us = simulated.partition(":")
        return boot_id, int(began_us or 0)
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip(), 0


def system_utc() -> ClockReading:
    """UTC by the system's clock, sampled between two reads of CLOCK_BOOTTIME."""
    before = boottime_ns()
    utc_ns = time.time_ns()
    at_ns = (before + boottime_ns()) // 2
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    if state in (-1, _ERROR_STATE) or timex.status & _STA_UNSYNC:
        return ClockReading(at_ns, utc_ns // 1000, "none", -1)
    return ClockReading(at_ns, utc_ns // 1000, "ntp", int(timex.maxerror))
