"""YAML as plain data with the line of every value; what a manifest never needs is a fault.

Aliases, tags, merge keys, deep nesting and long files are refused while events are read, before
anything is built of them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.reader import ReaderError

from chalicelib.errors import FieldError

MAX_BYTES = 65_536
_MAX_DEPTH = 20
_MAX_NODES = 5_000
_MAX_DIGITS = 20
_MAX_WORD = 64

Place = tuple[str | int, ...]


@dataclass
class Document:
    """What one YAML file says, where it says it, and what is wrong with its form."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[FieldError] = field(default_factory=list)

    def line(self, place: Place) -> int | None:
        """The line of a value, or of the nearest thing around it."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


def read_document(text: bytes) -> Document:
    """Read one YAML document; never raises, faults are in the result."""
    document = Document()
    try:
        source = _decoded(text, document)
        if source is None or not _harmless(source, document):
            return document
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        document.faults.append(_syntax(error, text))
        return document
    except (ValueError, RecursionError, OverflowError) as error:
        document.faults.append(FieldError("", f"cannot be read: {error}"))
        return document
    if node is not None:
        document.data = _build(node, (), document)
    return document


def name_of(place: Place) -> str:
    """A place as people write it: env[0].name."""
    name = ""
    for part in place:  # a key may be as long as the file
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            word = part if len(part) <= _MAX_WORD else part[: _MAX_WORD - 3] + "..."
            name += f".{word}" if name else word
    return name


def _decoded(text: bytes, document: Document) -> str | None:
    if len(text) > MAX_BYTES:
        document.faults.append(
            FieldError("", f"is longer than {MAX_BYTES // 1024} KB; keep data in other files")
        )
        return None
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        document.faults.append(FieldError("", "is not UTF-8; save the file as UTF-8", line))
        return None


def _harmless(source: str, document: Document) -> bool:
    """Look at the events alone, which cost nothing, for what would cost much as nodes."""
    counted = _Counted()
    for event in yaml.parse(source, Loader=yaml.SafeLoader):
        fault = counted.fault(event)
        if fault is not None:
            mark = event.start_mark
            document.faults.append(FieldError("", fault, mark.line + 1 if mark else None))
            return False
    return True


@dataclass
class _Counted:
    """How much of everything a file has so far."""

    depth: int = 0
    nodes: int = 0
    documents: int = 0

    def fault(self, event: yaml.Event) -> str | None:
        """What this event is too much of, or should not be there at all."""
        self.documents += isinstance(event, yaml.DocumentStartEvent)
        self.nodes += isinstance(event, yaml.NodeEvent)
        self.depth += isinstance(event, yaml.CollectionStartEvent)
        self.depth -= isinstance(event, yaml.CollectionEndEvent)
        tag = getattr(event, "tag", None)
        anchor = event.anchor if isinstance(event, yaml.AliasEvent) else None
        rules = (
            (self.documents > 1, "holds a second document (`---`); keep one"),
            (anchor is not None, f"uses the alias *{anchor}; write the value out"),
            (tag not in (None, "!"), f"uses the tag {tag}; write a plain value"),
            (self.depth > _MAX_DEPTH, f"is nested more than {_MAX_DEPTH} deep"),
            (self.nodes > _MAX_NODES, f"has more than {_MAX_NODES} values"),
        )
        return next((detail for broken, detail in rules if broken), None)


def _syntax(error: yaml.YAMLError, text: bytes) -> FieldError:
    if isinstance(error, ReaderError):
        before = text.decode("utf-8-sig", "replace")[: error.position]
        detail = f"has the control character \\x{int(error.character):02x}; remove it"
        return FieldError("", detail, before.count("\n") + 1)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if "'\\t'" in str(problem):
        problem = "is indented by a tab; use spaces"
    else:
        problem = f"is not YAML here: {problem}"
    return FieldError("", problem, mark.line + 1 if mark is not None else None)


def _build(node: yaml.Node, place: Place, document: Document) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return dict(_pairs(node, place, document))
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*place, index), document) for index, item in enumerate(node.value)]
    return _scalar(node, place, document)


def _pairs(node: yaml.MappingNode, place: Place, document: Document) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.faults.append(FieldError(name_of(place), "has a key that is no word", line))
            continue
        key = str(key_node.value)
        here = (*place, key)
        if key in seen:
            document.faults.append(
                FieldError(
                    name_of(here),
                    f"stands here again (first in line {document.line(here)}); keep one",
                    line,
                )
            )
            continue
        seen.add(key)
        document.lines[here] = line
        yield key, _build(value_node, here, document)


_PLAIN = SafeConstructor()


def _scalar(node: yaml.Node, place: Place, document: Document) -> Any:
    kind = node.tag.rpartition(":")[2]
    text = str(node.value)
    if kind == "int" and (":" in text or len(text) > _MAX_DIGITS):
        return text  # 12:30 is a time of day to everyone but YAML 1.1
    if kind not in ("null", "bool", "int", "float"):
        return text
    try:
        value = _PLAIN.construct_object(node)
    except (ValueError, OverflowError, ConstructorError) as error:
        document.faults.append(
            FieldError(name_of(place), f"is not a number: {error}", node.start_mark.line + 1)
        )
        return None
    if isinstance(value, dt.date):
        return text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value
