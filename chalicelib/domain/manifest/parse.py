"""From the bytes of agent.yaml to a Manifest, or to the list of all its faults with their lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from chalicelib.domain.manifest.document import MAX_BYTES, Document, Place, name_of, read_document
from chalicelib.domain.manifest.model import Manifest
from chalicelib.errors import FieldError, Invalid

__all__ = ["MAX_BYTES", "named_lines", "parse_manifest"]

_MAX_FAULTS = 50
_SHOWN = 60

#: What pydantic says of a pattern is the pattern; people need the meaning.
_MEANINGS = {
    "version": 'must be three numbers, such as "1.0.0"',
    "name": "must be a name such as API_KEY: letters, digits and _, not starting with a digit",
    "path": "must be a path that starts with / and has no spaces, such as /health",
    "command": "must be one line of shell; join steps by &&",
    "include": "must be a relative path or glob, such as dist/**",
    "output": "must be a folder inside the source, such as dist",
    "root": "must be a folder inside the source, such as apps/api",
    "headers": "must be header names and values without line breaks",
}
_EXAMPLES = {
    "build": "`build: {command: npm run build}`",
    "start": "`start: {command: python app.py}`",
    "health": "`health: {path: /health}`",
    "resources": "`resources: {memory_mb: 512}`",
    "restart": "`restart: {policy: on_failure, retries: 5}`",
    "shutdown": "`shutdown: {grace_seconds: 10}`",
    "env": "`env: [{name: API_KEY, required: true, secret: true}]`",
    "tests": "`tests: [{name: says hello, request: {path: /}, expect: {status: 200}}]`",
}


def parse_manifest(text: bytes, filename: str = "agent.yaml") -> Manifest:
    """Read a manifest; raises `Invalid` with every fault and its line."""
    document = read_document(text)
    faults = list(document.faults)
    data = {} if document.data is None and not faults else document.data
    if isinstance(data, Mapping):
        try:
            manifest = Manifest.model_validate(data)
        except ValidationError as error:
            faults += [_fault(detail, document, data) for detail in error.errors()]
        else:
            if not faults:
                return manifest
    elif data is not None:
        faults.append(
            FieldError("", "must be keys with values, such as `name: My agent`", document.line(()))
        )
    raise _invalid(faults, filename)


def named_lines(text: bytes) -> dict[str, Any]:
    """On which lines a manifest names its tests and variables, for remarks on those lines."""
    document = read_document(text)
    data = document.data if isinstance(document.data, Mapping) else {}
    names: dict[str, int] = {}
    for key in ("tests", "env"):
        entries = data.get(key)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            name = entry.get("name") if isinstance(entry, Mapping) else None
            line = document.line((key, index))
            if isinstance(name, str) and line is not None:
                names[name] = line
    return {"first": document.line(("tests",)) or 1, "names": names}


def _invalid(faults: list[FieldError], filename: str) -> Invalid:
    unique = list(dict.fromkeys(faults))
    unique.sort(key=lambda fault: (fault.line or 0, fault.field))
    told = "; ".join(
        " ".join(
            part
            for part in (f"line {fault.line}:" if fault.line else "", fault.field, fault.detail)
            if part
        )
        for fault in unique[:3]
    )
    count = "one fault" if len(unique) == 1 else f"{len(unique)} faults"
    more = f"; and {len(unique) - 3} more" if len(unique) > 3 else ""
    return Invalid(
        f"{filename} has {count}: {told}{more}.",
        code="manifest_invalid",
        errors=tuple(unique[:_MAX_FAULTS]),
    )


def _fault(error: ErrorDetails, document: Document, data: Any) -> FieldError:
    place = _place(error["loc"], data)
    return FieldError(name_of(place), _detail(error, place), document.line(place))


def _place(loc: tuple[int | str, ...], data: Any) -> Place:
    """pydantic's location without the parts it adds for unions and keys."""
    place: Place = ()
    for part in loc:
        mapped = isinstance(data, Mapping) and part in data
        if mapped or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
        elif part is loc[-1] and isinstance(part, str) and "[" not in part:
            data = None  # a required field that is not there
        else:
            continue
        place = (*place, part)
    return place


def _detail(error: ErrorDetails, place: Place) -> str:
    kind = error["type"]
    context = error.get("ctx", {})
    given = _given(error["input"])
    if kind == "extra_forbidden":
        return _unknown(place)
    if kind == "missing":
        return "is missing; add it"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("enum", "literal_error"):
        return f"{given} is not known; use {context['expected']}" + _meant(
            str(error["input"]), re.findall(r"'([^']+)'", str(context["expected"]))
        )
    words = [str(part) for part in place if isinstance(part, str)]
    last = words[-1] if words else ""
    if kind == "string_pattern_mismatch":
        return f"{given}: {_MEANINGS.get(_meaning(words), 'has a character it may not have')}"
    if kind == "string_type" and last == "version":
        return f'{given} is a number to YAML; write it in quotes, such as version: "1.0.0"'
    if kind in ("model_type", "dict_type", "list_type", "model_attributes_type"):
        form = "a list" if kind == "list_type" else "keys with values"
        example = f", such as {_EXAMPLES[last]}" if last in _EXAMPLES else ""
        return f"must be {form}{example}"
    return f"{given}: {_plain(error['msg'])}"


def _meaning(words: list[str]) -> str:
    if "headers" in words:
        return "headers"
    return words[-1] if words else ""


def _plain(message: str) -> str:
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return re.sub(r"^String should", "should", message)


def _given(value: Any) -> str:
    shown = repr(value) if not isinstance(value, bool) else str(value).lower()
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."


def _unknown(place: Place) -> str:
    word = str(place[-1])
    model = _model_at(place[:-1])
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    inside = f" of {name_of(place[:-1])}" if place[:-1] else ""
    meant = _meant(word, known)
    return f"is not a field{inside}" + (meant or f"; fields are {', '.join(known)}")


def _meant(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def _model_at(place: Place) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Manifest
    for part in place:
        if isinstance(part, int) or model is None:
            continue
        found = {f.alias or n: f.annotation for n, f in model.model_fields.items()}.get(part)
        model = _inner_model(found)
    return model


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner_model, get_args(annotation))), None)
