"""Words to sound: rendered by espeak-ng in a process of its own, and kept, so that the same words cost once.

Rules: the text goes through standard input, never through a shell or an argument; rendering takes at most
``RENDER_S``; what was kept is checked before it is played (a power cut leaves torn files) and rendered again if it
is none; the folder stays within its bound, the longest unused go first; a folder that cannot be written costs time,
no words. Any other synthesizer that writes a WAV can stand in ``rendered``.

Left to others: playing it (the drivers).
"""

import contextlib
import hashlib
import io
import os
import subprocess
import wave
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from drivers.signals import Language

PROGRAM = "espeak-ng"
VOICES: Mapping[Language, tuple[str, int]] = {"zh": ("cmn-latn-pinyin", 200), "en": ("en", 175)}
"""Voice and its speed: five syllables a second are how news are read. ``cmn`` would read most characters of Chinese
text as English letters and a number for the tone (1.51, as Debian 12 has it: espeak-ng issue 1236)."""
RENDER_S = 3.0
"""A sentence takes 0.1 s; longer, and the program hangs."""
MAX_CHARACTERS = 500
"""Some 100 s of speech and 4 MB; more is no prompt."""


class NotRendered(Exception):
    """There is no sound for these words; the text says why and what to do."""


class Voice:
    """``folder`` keeps what was rendered, up to ``most_bytes``; None: nothing. ``log`` is told of a bad folder."""

    def __init__(self, folder: Path | None, most_bytes: int, log: Callable[[str], None]) -> None:
        self._folder, self._most_bytes, self._log = folder, most_bytes, log

    def wav(self, text: str, language: Language) -> bytes:
        """The words as a WAV file. Raises NotRendered."""
        if self._folder is None:
            return rendered(text, language)
        path = self._folder / f"{words_hash(text, language)}.wav"
        with contextlib.suppress(OSError, NotRendered):
            kept = path.read_bytes()
            length_ms(kept)
            os.utime(path)
            return kept
        wav = rendered(text, language)
        try:
            keep(path, wav, self._most_bytes)
        except OSError as error:
            self._log(f"spoken words cannot be kept in {self._folder} ({error.strerror}); each is rendered again")
        return wav


def words_hash(text: str, language: Language) -> str:
    """The name under which words are kept: hexadecimal SHA-256 of language and text."""
    return hashlib.sha256(msgspec.json.encode((language, text))).hexdigest()


def rendered(text: str, language: Language) -> bytes:
    """The words as a WAV file by espeak-ng. Raises NotRendered."""
    if not text or len(text) > MAX_CHARACTERS:
        raise NotRendered(f"{len(text)} characters are to be said; 1 to {MAX_CHARACTERS} can be")
    file = os.memfd_create("speech")  # the program needs a file to go back in, and none may stay behind
    try:
        _espeak(text, language, file)
        wav = os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)
    length_ms(wav)
    return wav


def length_ms(wav: bytes) -> int:
    """How long a WAV file plays. Raises NotRendered where it is none, is cut, or is empty."""
    try:
        with wave.open(io.BytesIO(wav), "rb") as reader:
            frames, rate = reader.getnframes(), reader.getframerate()
            whole = len(reader.readframes(frames)) == frames * reader.getsampwidth() * reader.getnchannels()
    except (wave.Error, EOFError) as error:
        raise NotRendered(f"{PROGRAM} gave no WAV file ({error}); install it again") from error
    if not frames or not whole:
        raise NotRendered(f"{PROGRAM} gave {'part of a' if frames else 'an empty'} WAV file; install it again")
    return frames * 1000 // rate


def keep(path: Path, wav: bytes, most_bytes: int) -> None:
    """Write whole or not at all, then delete the longest unused in the folder until it holds ``most_bytes``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(wav)
    new.replace(path)
    files = sorted((file.stat().st_mtime_ns, file.stat().st_size, file) for file in path.parent.iterdir())
    total = sum(size for _, size, _ in files)
    for _, size, file in files:
        if total <= most_bytes:
            break
        file.unlink()
        total -= size


def _espeak(text: str, language: Language, file: int) -> None:
    voice, speed = VOICES[language]
    command = [PROGRAM, "-v", voice, "-s", str(speed), "-b", "1", "--stdin", "-w", f"/proc/self/fd/{file}"]
    try:
        done = subprocess.run(
            command,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(file,),
            timeout=RENDER_S,
            check=False,
        )
    except FileNotFoundError:
        raise NotRendered(f"there is no {PROGRAM}; install the package {PROGRAM}") from None
    except subprocess.TimeoutExpired:
        raise NotRendered(f"{PROGRAM} did not finish in {RENDER_S:.0f} s; try it by hand") from None
    except OSError as error:
        raise NotRendered(f"{PROGRAM} cannot be started ({error.strerror}); install the package {PROGRAM}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise NotRendered(f"{PROGRAM} failed with {done.returncode} ({said}); install it and its voices again")
