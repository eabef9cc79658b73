"""Every key of the configuration in words: the table of ``README.md``, and what messages quote.

Run ``python -P -m config.explain`` to write the table; a test compares it with the models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Meta, structs

from config.models import SECTIONS, Section

PAGE = Path(__file__).with_name("README.md")

INTRODUCTION = """\
# Configuration of a device

One TOML file. Unknown keys are refused by name, so a mistyped one does not pass in silence. Paths are relative to the
file's folder. `[camera]`, `[microphone]` and `[position]` may be left out: the device then has no such sensor, and
`required_tracks` must say so. Without `[signals]` it says nothing. `[device]` and `[trust]` must be there; every other
section has defaults throughout. This table is generated from `models.py` by `python -P -m config.explain`.
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """One key: where it stands, what it may be, and why it is as it is."""

    section: str
    key: str
    kind: str
    default: str
    unit: str
    reason: str


def keys() -> Iterator[Explained]:
    """All keys of all sections, in the models' order."""
    for name, model in SECTIONS.items():
        hints = get_type_hints(model, include_extras=True)
        for field in structs.fields(model):
            meta = metadata(hints[field.name])
            default = "required" if field.default is NODEFAULT else _toml(field.default)
            yield Explained(name, field.name, kind(hints[field.name]), default, unit(meta), meta.description or "")


def metadata(hint: Any) -> Meta:
    """The ``Meta`` of an annotated type."""
    return next(argument for argument in get_args(hint) if isinstance(argument, Meta))


def unit(meta: Meta) -> str:
    """The unit in which a key's value counts; empty for none."""
    return str((meta.extra or {})["unit"])


def page() -> str:
    """The whole Markdown page."""
    lines = [INTRODUCTION]
    for name, model in SECTIONS.items():
        lines.append(_section(name, model))
    return "\n".join(lines)


def _section(name: str, model: type[Section]) -> str:
    head = f"## `[{name}]`\n\n{(model.__doc__ or '').strip()}\n\n"
    head += "| key | value | default | unit | why |\n|---|---|---|---|---|\n"
    rows = [f"| `{k.key}` | {k.kind} | `{k.default}` | {k.unit} | {k.reason} |\n" for k in keys() if k.section == name]
    return head + "".join(rows)


def kind(hint: Any) -> str:
    """What a value of this annotated type may be, in words, for instance ``10 to 600``."""
    base, meta = get_args(hint)[0], metadata(hint)
    if base is int:
        step = f", a multiple of {meta.multiple_of}" if meta.multiple_of else ""
        return f"{meta.ge} to {meta.le}{step}" if meta.le is not None else f"a whole number from {meta.ge}"
    if base is str or base is bool:
        return "text" if base is str else "true or false"
    if get_origin(base) is Literal:
        return " or ".join(get_args(base))
    choices = get_args(get_args(base)[0])
    return f"a list of {', '.join(choices)}" if choices else "a list of texts"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
