"""agent.yaml: everything that is wrong with one is told at once, with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain import inference
from chalicelib.domain.manifest import MAX_BYTES, Manifest, manifest_schema, parse_manifest
from chalicelib.errors import FieldError, Invalid
from infra import agent_spec

FULL = """\
name: Weather agent
description: Says how the weather will be.
category: api-integration
runtime: python
version: 1.2.3-rc.1
root: apps/weather
build:
  command: make
  include: [dist/**, "*.py"]
  output: dist
start:
  command: uvicorn app:app --host 0.0.0.0 --port $PORT
port: 8000
health:
  path: /health
  timeout_seconds: 30
protocol: a2a
env:
  - name: API_KEY
    description: From the weather office.
    required: true
    secret: true
  - {name: DAYS, default: 3}
  - {name: VERBOSE, default: true}
resources: {cpu: 0.5, memory_mb: 256, replicas: 2, sleep: true}
tests:
  - name: says hello
    request: {method: post, path: /ask, headers: {X-A: b}, json: {city: Bonn}}
    expect: {status: 201, json: {ok: true}, text: sun, headers: {content-type: application/json}}
    timeout_seconds: 5
    runs: 3
    passes: 2
"""


def faults(text: str | bytes) -> list[tuple[int | None, str, str]]:
    """(line, field, detail) of every fault."""
    with pytest.raises(Invalid) as caught:
        parse_manifest(text.encode() if isinstance(text, str) else text)
    assert caught.value.code == "manifest_invalid"
    assert "agent.yaml has" in caught.value.detail
    return [(error.line, error.field, error.detail) for error in caught.value.errors]


def test_a_full_manifest_is_read() -> None:
    manifest = parse_manifest(FULL.encode())
    assert manifest.runtime == "python"
    assert manifest.version == "1.2.3-rc.1"
    assert manifest.env[1].default == "3"
    assert manifest.env[2].default == "true"
    assert manifest.tests[0].request.method == "POST"
    assert manifest.tests[0].request.json_ == {"city": "Bonn"}
    record = manifest.to_json()
    assert record["tests"][0]["request"]["json"] == {"city": "Bonn"}
    assert Manifest.model_validate(json.loads(json.dumps(record))) == manifest


def test_nothing_is_a_manifest_too() -> None:
    for text in ("", "# only words\n", "---\n"):
        assert parse_manifest(text.encode()).to_json() == {}


def test_what_is_not_said_is_not_in_its_json() -> None:
    assert parse_manifest(b"name: x\nhealth: {path: /ok}").to_json() == {
        "name": "x",
        "health": {"path": "/ok"},
    }


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    found = faults(
        "name: x\n"
        "runtme: python\n"
        "runtime: pyhton\n"
        "version: 1.0\n"
        "port: 99999\n"
        "health: /health\n"
        "env:\n"
        "  - name: 1BAD\n"
        "    requird: true\n"
        "  - name: KEY\n"
        "    secret: true\n"
        "    default: abc\n"
        "tests:\n"
        "  - request: {path: foo}\n"
        "    expect: {status: 99}\n"
        "start: {}\n"
    )
    assert [(line, field) for line, field, _ in found] == [
        (2, "runtme"),
        (3, "runtime"),
        (4, "version"),
        (5, "port"),
        (6, "health"),
        (8, "env[0].name"),
        (9, "env[0].requird"),
        (10, "env[1]"),
        (14, "tests[0].name"),
        (14, "tests[0].request.path"),
        (15, "tests[0].expect.status"),
        (16, "start.command"),
    ]
    details = {field: detail for _, field, detail in found}
    assert details["runtme"] == "is not a field; did you mean `runtime`?"
    assert "did you mean `python`?" in details["runtime"]
    assert '"1.0.0"' in details["version"]
    assert "`health: {path: /health}`" in details["health"]
    assert "`required`" in details["env[0].requird"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x [1]\nname: *x", 2, "alias"),
        ("a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]", 2, "alias"),
        ("name: !!python/object:os.system x", 1, "tag"),
        ("<<: {name: x}", 1, "<<"),
        ("[" * 3000, 1, "nested"),
        ("a: " + "{a: " * 5000, 1, "nested"),
        ("tests: [" + "a," * 20000 + "]", 1, "more than"),
        ("x" * (MAX_BYTES + 1), None, "longer than 64 KB"),
        ("name: a\nname: b", 2, "stands here again"),
        ("---\nname: a\n---\nname: b", 3, "second document"),
        ("- a\n- b", 1, "must be keys"),
        ("just words", 1, "must be keys"),
        ("name: a: b", 1, "not YAML"),
        ("build:\n\tcommand: x", 2, "tab"),
        ("name: 'open", 1, "not YAML"),
        ("? [a, b]\n: c", 1, "no word"),
        ("name: a\n\nport: \x00", 3, "control character"),
        ("port: " + "9" * 5000, 1, "integer"),
        ("port: 12:30", 1, "integer"),
        ("port: 0x", 1, "integer"),
        ("port: 0b_", 1, "not a number"),
        ("env: {A: b}", 1, "must be a list"),
        ("env:\n- {name: A}\n- {name: A}", 1, "listed twice"),
        ("env: [{name: PORT}]", 1, "set by Slipway"),
        ("env: [{name: SLIPWAY_X}]", 1, "set by Slipway"),
        ("root: ../x", 1, "inside the source"),
        ("root: /x", 1, "inside the source"),
        ("start: {command: 'a\n\n  b'}", 1, "one line"),
        ("category: ai", 1, "'ai-ml'"),
        ("tests: [{name: a, request: {body: x, json: {}}}]", 1, "keep one"),
        ("tests: [{name: a, runs: 1, passes: 2}]", 1, "more than `runs: 1`"),
        ("tests: [{name: a, request: {method: FETCH}}]", 1, "'GET'"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_each_fault_says_what_to_change(text: str, line: int | None, words: str) -> None:
    found = faults(text)
    assert any(words in f"{field} {detail}" for _, field, detail in found), found
    assert found[0][0] == line


def test_a_file_that_is_not_utf8_is_a_fault_with_its_line() -> None:
    assert faults(b"name: a\ndescription: \xff\n") == [
        (2, "", "is not UTF-8; save the file as UTF-8")
    ]


def test_faults_are_counted_and_capped() -> None:
    text = "".join(f"wrong{number}: 1\n" for number in range(80))
    assert len(faults(text)) == 50


def test_the_schema_takes_what_the_parser_takes() -> None:
    schema = manifest_schema()
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {
        "name",
        "description",
        "category",
        "runtime",
        "version",
        "root",
        "build",
        "start",
        "port",
        "health",
        "protocol",
        "env",
        "resources",
        "restart",
        "shutdown",
        "tests",
    }
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(parse_manifest(FULL.encode()).to_json())
    assert list(validator.iter_errors({"runtme": "python", "port": 0}))


YAML_WORDS = st.sampled_from(
    [
        "name",
        "runtime",
        "env",
        "tests",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        "&a ",
        "*a",
        "!!",
        "|",
        ">",
        "#",
        "1",
        "1.0",
        "true",
        "~",
        "0x",
        "\t",
        ",",
        "?",
        "%",
        "@",
        "<<",
        "---\n",
        "é",
        "\x00",
        "\ufeff",
        "\u2028",
    ]
)


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.lists(YAML_WORDS, max_size=40).map("".join).map(str.encode)
    )
)
def test_whatever_the_bytes_it_is_a_manifest_or_faults(data: bytes) -> None:
    for error in told(data) or ():
        assert isinstance(error, FieldError)
        assert error.detail


def told(data: bytes) -> tuple[FieldError, ...] | None:
    """The faults of a manifest; None when it has none."""
    try:
        parse_manifest(data)
    except Invalid as invalid:
        return invalid.errors or (FieldError("", ""),)
    return None


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "path",
                    "json",
                    "request",
                    "expect",
                    "status",
                    "env",
                    "tests",
                    "build",
                    "command",
                    "include",
                    "default",
                    "runs",
                    "headers",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from([*Manifest.model_fields, "x"]), PLAIN, max_size=5))
def test_whatever_the_values_every_fault_has_a_line(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    lines = len(text.splitlines())
    for error in told(text.encode()) or ():
        assert error.line is not None or not error.field
        assert error.line is None or 1 <= error.line <= max(lines, 1)


def test_the_document_is_fresh_and_names_every_code() -> None:
    assert agent_spec.main(["--check"]) == 0
    text = agent_spec.DOCUMENT.read_text()
    folder = Path(inference.__file__).parent
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    said = re.findall(r'"(?:error|warning|info)",\s*"([a-z_]+)"', source)
    assert len(set(said)) > 15
    assert [code for code in sorted(set(said)) if f"`{code}`" not in text] == []
