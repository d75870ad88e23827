"""What people are told about a field of theirs: in plain words, with what may stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, Field, StringConstraints, ValidationError, field_validator

import app as _app  # noqa: F401 - registers the endpoints
from chalicelib.api.http import ENDPOINTS, Model
from chalicelib.api.words import explained, place, sentence, told, written
from chalicelib.domain.tenancy import Role
from chalicelib.errors import FieldError
from tests.api.conftest import Client

# How pydantic speaks, and Python.
RAW = re.compile(r"should|valid|pattern|Input|Extra|Field required|_|\^|\$|None|str\b|dict")


class Inner(Model):
    size: int


class Form(Model):
    name: Annotated[str, StringConstraints(min_length=1, max_length=5)] = "x"
    long: Annotated[str, StringConstraints(min_length=3)] = "xxx"
    slug: Annotated[str, written(r"^[ab]+$", "Use a and b.")] = "a"
    secret: Annotated[str, StringConstraints(pattern=r"^[^!]*$")] = ""
    role: Role = Role.VIEWER
    way: Literal["up", "down", "round"] = "up"
    count: int = Field(1, ge=1, le=5)
    share: float = Field(0.5, gt=0, lt=1)
    yes: bool = False
    when: AwareDatetime | None = None
    tags: Annotated[list[str], Field(min_length=1, max_length=2)] = Field(default_factory=list)
    values: dict[Annotated[str, written(r"^[A-Z]+$", "Use capitals.")], str] = Field(
        default_factory=dict
    )
    inner: Inner | None = None
    own: str = ""

    @field_validator("own")
    @classmethod
    def _own(cls, value: str) -> str:
        if value:
            raise ValueError("Leave it out today.")
        return value


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"name": " "}, "name", "This may not be empty."),
        ({"name": "abcdefg"}, "name", "Use at most 5 characters; there are 7."),
        ({"name": 7}, "name", "Give a text."),
        ({"name": None}, "name", "Give a text."),
        ({"long": "x"}, "long", "Use at least 3 characters."),
        ({"slug": "c"}, "slug", "Use a and b."),
        ({"secret": "!"}, "secret", "This has a character that it may not have."),
        ({"role": "king"}, "role", "Use owner, admin, developer or viewer."),
        ({"way": "out"}, "way", "Use up, down or round."),
        ({"count": 0}, "count", "Give a number of at least 1."),
        ({"count": 6}, "count", "Give a number of at most 5."),
        ({"count": "many"}, "count", "Give a whole number."),
        ({"count": 1.5}, "count", "Give a whole number."),
        ({"share": 0}, "share", "Give a number above 0.0."),
        ({"share": 1}, "share", "Give a number below 1.0."),
        ({"share": "half"}, "share", "Give a number."),
        ({"yes": "perhaps"}, "yes", "Say true or false."),
        ({"yes": []}, "yes", "Say true or false."),
        ({"when": "soon"}, "when", "Give a time such as 2030-01-31T12:00:00Z."),
        (
            {"when": "2030-01-31T12:00:00"},
            "when",
            "Name the time zone as well, as in 2030-01-31T12:00:00Z.",
        ),
        ({"tags": "a"}, "tags", "Send a list."),
        ({"tags": []}, "tags", "Give at least 1 entry."),
        ({"tags": ["a", "b", "c"]}, "tags", "Give at most 2 entries; there are 3."),
        ({"tags": ["a", 1]}, "tags.1", "Give a text."),
        ({"values": []}, "values", "Send an object with names and values."),
        ({"values": {"low": "x"}}, "values.low", "Use capitals."),
        ({"values": {"LOW": 1}}, "values.LOW", "Give a text."),
        ({"inner": {}}, "inner.size", "This is needed; add it."),
        ({"inner": []}, "inner", "Send an object with fields."),
        ({"nmae": "x"}, "nmae", "There is no such field here; leave it out."),
        ({"own": "x"}, "own", "Leave it out today."),
    ],
)
def test_a_fault_is_told_in_plain_words_at_its_field(
    given: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(given)

    assert [(place(e), sentence(e)) for e in caught.value.errors()] == [(field, said)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (["name"], "name: This is needed; add it."),
        (["name", "role"], "Not as it must be: name, role."),
        (["name", "name"], "Not as it must be: name."),
        (list("abcdefg"), "Not as it must be: a, b, c, d, e and 2 more."),
    ],
)
def test_all_faults_are_told_in_one_sentence_too(fields: list[str], said: str) -> None:
    assert told([FieldError(field, "This is needed; add it.") for field in fields]) == said


def test_every_pattern_of_the_api_says_what_is_allowed() -> None:
    models = [m for e in ENDPOINTS for m in (e.body, e.query) if m is not None]

    assert len(models) > 20
    patterns = {p for model in models for p in _patterns(model.model_json_schema())}
    assert [pattern for pattern in patterns if not explained(pattern)] == []


def test_one_pattern_cannot_be_told_in_two_ways() -> None:
    written(r"^[q]+$", "Use q.")

    with pytest.raises(ValueError, match="Two sentences"):
        written(r"^[q]+$", "Use nothing but q.")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/agents", {}),
        ("POST", "/agents", {"name": ""}),
        ("POST", "/agents", {"name": "x" * 81, "category": "boats", "colour": "red"}),
        ("POST", "/agents", {"name": "two\nlines", "description": 5}),
        ("POST", "/organisations", {"name": 5}),
        ("POST", "/tokens", {"name": "ci", "scopes": "all", "expires_at": "tomorrow"}),
        ("GET", "/agents?limit=many&cursor=%20", None),
        ("GET", "/agents?limit=1000", None),
    ],
)
def test_no_form_hears_a_programs_words(
    client: Client, method: str, path: str, body: dict[str, Any] | None
) -> None:
    reply = client(method, path, body)

    assert reply.status == 422, reply.json
    assert reply.json["errors"]
    for fault in reply.json["errors"]:
        assert fault["field"]
        assert not RAW.search(re.sub(r"next_cursor|expires_at", "", fault["detail"])), fault


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(found := schema.get("pattern"), str):
            yield found
        for value in schema.values():
            yield from _patterns(value)
        for names in (schema.get("patternProperties"),):
            yield from names or ()
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value)
