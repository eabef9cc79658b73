"""Writes ``entries.md``, the page that lists the entries, from ``entries.py`` itself.

Why: a list kept by hand goes stale; here the Structs, their docstrings and the comments between them are the page.
``render`` gives the text, and a test compares it with the file. ``python -P -m agent.evidence.entries_page`` writes
the file anew.
"""

import ast
import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct, UnsetType

from agent.evidence import entries
from agent.evidence.entries import Entry

PAGE = Path(__file__).with_name("entries.md")

_HEADING = re.compile(r"^# --- (.+?) -+$")
_CLASS = re.compile(r"^class (\w+)\(")
_Members = dict[str, str]


def render() -> str:
    """The whole page, Markdown."""
    source = inspect.getsource(entries)
    docs = {node.name: _member_docs(node) for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    parts = [_opening(), *_common(docs), *_parts_of_entries(docs)]
    for heading, kinds in _sections(source):
        parts.append(f"## {heading[0].upper()}{heading[1:]}\n")
        parts += [_entry(kind, docs) for kind in kinds]
    return "\n".join(parts)


def main() -> None:
    """Writes the page beside this module."""
    PAGE.write_text(render(), encoding="utf-8")


def _opening() -> str:
    return """# Entries of the journal

<!-- Generated from entries.py: python -P -m agent.evidence.entries_page -->

An entry is a JSON object on one line of a journal file, for instance

```
{"at_us":86400000000,"boot":3,"boot_us":86400120000,"label":"","n":7,"prev":"hE0DB1QV9IIkpYq3EYsS9UQ3xqFgRIYzRpVCXDSG7sw",\
"salt":"AAECAwQFBgcICQoLDA0ODw","stream":"s000012","type":"mark"}
```

[journal.md](journal.md) says how a line is spelled, and how lines become streams and a signed tree. An *integer* lies
within ±(2^53 - 1); *text* is UTF-8; a member that is *optional* is left out where it has no value, all others always
stand there. Names end in their unit: `_us` microseconds, `_ms` milliseconds, `_ticks` and `tick` units of the track's
timescale. Hashes, salts and ciphertexts are text in unpadded base64url.
"""


def _common(docs: dict[str, _Members]) -> Iterator[str]:
    yield "## What every entry carries\n"
    yield "| member | kind | meaning |\n|---|---|---|"
    yield "| `type` | text | the entry's type, the headings below |"
    own: _Members = {
        "stream": "`device`, or a session's id such as `s000012`.",
        "n": "Number of this entry in its stream, from 0, without a gap.",
        "prev": "Leaf hash of the stream's entry n-1; empty for n = 0.",
        "salt": "16 random bytes, so that a hash shown in a proof gives nothing away.",
    }
    yield "\n".join(_rows(Entry, {**own, **docs["Entry"]}, frozenset())) + "\n"


def _parts_of_entries(docs: dict[str, _Members]) -> Iterator[str]:
    yield "## Objects inside entries\n"
    for kind in vars(entries).values():
        if isinstance(kind, type) and issubclass(kind, Struct) and not issubclass(kind, Entry) and kind is not Struct:
            yield _table(f"### {_words(kind.__name__)}", kind, docs, frozenset())


def _sections(source: str) -> Iterator[tuple[str, list[type[Entry]]]]:
    """Headings between the classes, and the entry types under each, in the order of the source."""
    heading, kinds = "", list[type[Entry]]()
    for line in source.splitlines():
        if found := _HEADING.match(line):
            if kinds:
                yield heading, kinds
            heading, kinds = found[1], []
        elif heading and (found := _CLASS.match(line)):
            kinds.append(getattr(entries, found[1]))
    yield heading, kinds


def _entry(kind: type[Entry], docs: dict[str, _Members]) -> str:
    return _table(f"### `{kind.__struct_config__.tag}`", kind, docs, frozenset(Entry.__struct_fields__))


def _table(heading: str, kind: type[Struct], docs: dict[str, _Members], without: frozenset[str]) -> str:
    rows = _rows(kind, docs[kind.__name__], without)
    table = ["| member | kind | meaning |", "|---|---|---|", *rows] if rows else ["No members of its own."]
    return "\n".join([heading, "", _doc(kind), "", *table, ""])


def _rows(kind: type[Struct], docs: _Members, without: frozenset[str]) -> list[str]:
    hints = typing.get_type_hints(kind)
    names = [name for name in kind.__struct_fields__ if name not in without]
    return [f"| `{name}` | {_kind(hints[name])} | {docs.get(name, '')} |" for name in names]


def _kind(hint: object) -> str:
    """A field's type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin is list:
        return f"list of {_kind(arguments[0])}"
    if origin in (typing.Union, types.UnionType):
        return "optional " + " or ".join(_kind(argument) for argument in arguments if argument is not UnsetType)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return _link(hint)
    return {int: "integer", str: "text"}[typing.cast(type, hint)]


def _link(kind: type[Struct]) -> str:
    if issubclass(kind, Entry):
        tag = str(kind.__struct_config__.tag)
        return f"[`{tag}`](#{tag.replace('.', '')})"
    words = _words(kind.__name__)
    return f"[{words}](#{words.replace(' ', '-')})"


def _words(name: str) -> str:
    return re.sub(r"(?<=.)(?=[A-Z])", " ", name).lower()


def _doc(kind: type[Struct]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").replace("``", "`")


def _member_docs(node: ast.ClassDef) -> _Members:
    """The strings that stand below a class's fields, each on one line."""
    docs: _Members = {}
    name = ""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif name and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            docs[name] = " ".join(str(statement.value.value).split()).replace("``", "`").replace("|", "\\|")
            name = ""
    return docs


if __name__ == "__main__":
    main()
