"""What agents say of themselves: read as far as it can be, cut to size, and never trusted."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.copies import difference
from chalicelib.domain.interface import (
    Interface,
    fitted,
    operations_of,
    signature,
    skills_of,
    tools_of,
)
from chalicelib.domain.pages import Page, look_up
from chalicelib.domain.reference import reference

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("name", "tools", "skills", "inputSchema", "properties", "type", "items"),
                    *("paths", "get", "parameters", "responses", "content", "schema", "$ref"),
                    *("openapi", "required", "description", "anyOf", "enum", "requestBody"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
FETCH = {
    "name": "fetch",
    "description": "Fetches a page",
    "inputSchema": {
        "type": "object",
        "properties": {
            "url": {"type": "string", "format": "uri", "description": "Which page"},
            "depth": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "mode": {"enum": ["fast", "thorough"]},
        },
        "required": ["url"],
    },
}
API: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/crawl/{site}": {
            "parameters": [{"name": "site", "in": "path", "required": True, "schema": {}}],
            "post": {
                "summary": "Crawl a site",
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Job"}}
                    }
                },
                "responses": {
                    "200": {"description": "Its pages"},
                    "404": {"description": "No | one"},
                },
            },
        }
    },
    "components": {
        "schemas": {
            "Job": {
                "type": "object",
                "required": ["limits"],
                "properties": {
                    "limits": {"$ref": "#/components/schemas/Limits"},
                    "next": {"$ref": "#/components/schemas/Job"},
                },
            },
            "Limits": {"type": "object", "properties": {"pages": {"type": "integer"}}},
        }
    },
}


def test_tools_are_read_with_their_inputs() -> None:
    [tool] = tools_of([FETCH, FETCH, {"description": "nameless"}, "nonsense"])
    assert tool["name"] == "fetch"
    assert [(f["name"], f["type"], f["required"]) for f in tool["inputs"]] == [
        ("url", "string (uri)", True),
        ("depth", "integer or null", False),
        ("mode", 'one of "fast", "thorough"', False),
    ]


def test_skills_of_an_agent_card_are_read() -> None:
    card = {"skills": [{"id": "translate", "name": "Translate", "inputModes": ["text/plain"]}]}
    [skill] = skills_of(card)
    assert (skill["name"], skill["kind"]) == ("translate", "skill")
    assert skill["inputs"][0]["type"] == "text/plain"


def test_an_api_is_read_and_its_references_followed_as_far_as_they_go() -> None:
    found = operations_of(API)
    assert found is not None
    [operation] = found
    assert (operation["method"], operation["path"]) == ("POST", "/crawl/{site}")
    assert operation["parameters"][0]["name"] == "site"
    names = [field["name"] for field in operation["body"]]
    assert names[:3] == ["limits", "limits.pages", "next"]
    assert len(names) <= 60, "what refers to itself is not followed for ever"
    assert operations_of({"swagger": "2.0", "paths": API["paths"]}) is None
    assert operations_of("<html>") is None


def test_references_that_multiply_end() -> None:
    schemas = {
        f"S{n}": {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/components/schemas/S{n + 1}"} for i in range(50)},
        }
        for n in range(20)
    }
    body = {"content": {"x": {"schema": {"$ref": "#/components/schemas/S0"}}}}
    paths = {f"/{n}": {"post": {"requestBody": body}} for n in range(200)}
    found = operations_of({"openapi": "3.0.0", "paths": paths, "components": {"schemas": schemas}})
    assert found is not None
    assert len(json.dumps(fitted(Interface(operations=found)).to_json())) <= 300_000


def test_one_endless_word_is_not_read_for_every_field_that_names_it() -> None:
    endless = Endless("x" * 10_000)
    said = {"type": "string", "description": endless, "enum": [endless]}
    tool = {
        "name": "echo",
        "inputSchema": {
            "type": "object",
            "properties": {"text": said, "far": {"$ref": "#/" + "a/" * 1000}},
        },
    }
    [read] = tools_of([tool])
    assert [field["name"] for field in read["inputs"]] == ["text", "far"]
    assert endless.most < 10_000


class Endless(str):
    """A text that knows how much of it was ever asked for."""

    most = 0

    def __getitem__(self, part: Any) -> str:
        found = super().__getitem__(part)
        Endless.most = max(Endless.most, len(found))
        return found

    def __str__(self) -> str:
        Endless.most = len(self)
        return super().__str__()


@given(ANYTHING)
@settings(deadline=None)
def test_whatever_an_agent_says_something_that_can_be_kept_comes_of_it(said: Any) -> None:
    tools = tools_of(said)
    tools += skills_of(said)
    tools += tools_of([said])
    operations = operations_of(said if not isinstance(said, dict) else {**said, "openapi": "3.1.0"})
    kept = fitted(Interface(tools, operations))
    assert Interface.from_json(json.loads(json.dumps(kept.to_json()))).tools is not None
    page = reference({"env": [], "tests": []}, kept)
    assert page.markdown.startswith("# Reference")
    assert all(signature(tool)["name"] for tool in tools)


def test_too_much_is_cut_to_names() -> None:
    tools = tools_of(
        [{**FETCH, "name": f"tool-{n}", "description": "word " * 100} for n in range(100)]
    )
    cut = fitted(Interface(tools=tools), 20_000)
    assert cut.tools is not None
    assert [one["name"] for one in cut.tools] == [one["name"] for one in tools]
    assert fitted(Interface(tools=tools), 100) == Interface()


def sign(*tools: dict[str, Any]) -> list[dict[str, Any]]:
    return [signature(tool) for tool in tools_of(list(tools))]


def test_tools_that_are_new_gone_and_changed_are_told_apart() -> None:
    schema = FETCH["inputSchema"]
    assert isinstance(schema, dict)
    changed = {**FETCH, "inputSchema": {**schema, "required": ["url", "mode"]}}
    before = sign(FETCH, {"name": "old", "description": "Goes"})
    after = sign(changed, {"name": "new", "description": "Comes"})
    found = difference({}, {}, tools_before=before, tools_after=after).tools
    assert [(c.path, c.before, c.after) for c in found] == [
        (
            "fetch.inputs.mode",
            'one of "fast", "thorough"',
            'one of "fast", "thorough", required',
        ),
        ("new", None, "Comes"),
        ("old", "Goes", None),
    ]
    assert difference({}, {}, tools_before=None, tools_after=after).tools == (), "nobody knows"
    assert difference({}, {}, tools_before=before, tools_after=before).tools == ()
    bare = sign({"name": "fetch", "description": "Fetches a page"})
    gained = difference({}, {}, tools_before=bare, tools_after=sign(FETCH)).tools
    assert {c.path for c in gained} == {
        "fetch.inputs.url",
        "fetch.inputs.depth",
        "fetch.inputs.mode",
    }


def test_the_reference_says_what_goes_in_and_what_comes_out() -> None:
    manifest = {
        "env": [
            {"name": "API_KEY", "required": True, "secret": True, "description": "A | key <b>"},
            {"name": "DEPTH", "default": "2"},
        ],
        "tests": [
            {
                "name": "crawls",
                "request": {"method": "POST", "path": "/crawl", "json": {"a": "```"}},
                "expect": {"json": {"pages": 1}},
            }
        ],
    }
    page = reference(manifest, Interface(tools_of([FETCH]), operations_of(API)))
    text = page.markdown
    assert "| `API_KEY` | needed |  | yes | A \\| key \\<b\\> |" in text
    assert "| `DEPTH` | optional | `2` |  |  |" in text
    assert "### fetch" in text
    assert "| `url` | string (uri) | yes | Which page |" in text
    assert "### `POST /crawl/{site}`" in text
    assert "Answers **404**: No \\| one" in text
    assert "````\nPOST /crawl" in text, "the fence is longer than what is inside"


def test_pages_are_searched_by_section() -> None:
    pages = [
        Page("readme", "README", "# Crawler\n\nReads sites.\n\n## Limits\n\nOne page a second."),
        Page(
            "docs/usage.md",
            "Using it",
            "# Using it\n\nCall it.\n\n## Authentication\n\nSend the `API_KEY` as a bearer. "
            + "Words and words. " * 40,
        ),
    ]
    [first, *_] = look_up(pages, "authenticating")
    assert (first.path, first.heading) == ("docs/usage.md", "Authentication")
    assert "bearer" in first.excerpt
    assert [p.path for p in look_up(pages, "bearr")] == ["docs/usage.md"], "a letter is missing"
    assert look_up(pages, "api key")[0].heading == "Authentication"
    assert look_up(pages, "second")[0].heading == "Limits"
    assert look_up(pages, "zzzzqqqq") == []
    assert look_up(pages, "limit bearer") == [], "both in one section"


@given(st.text(max_size=300), st.text(max_size=400))
@settings(deadline=None)
def test_any_search_in_any_page_is_answered(text: str, markdown: str) -> None:
    for passage in look_up([Page("readme", "README", markdown)], text):
        assert len(passage.excerpt) < 300
