"""Watch paths: the patterns of a .gitignore, and what they do not let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.watch import MAX_PATTERNS, checked_patterns, first_watched, is_watched
from chalicelib.errors import Invalid

CASES = [
    ([], "", "README.md", True),
    ([], "agents/echo", "agents/echo/main.py", True),
    ([], "agents/echo", "agents/echo2/main.py", False),
    ([], "agents/echo", "README.md", False),
    (["src"], "", "src/a.py", True),
    (["src"], "", "lib/src/a.py", True),
    (["src/"], "", "src", False),
    (["/src"], "", "lib/src/a.py", False),
    (["src/**"], "", "src/a/b.py", True),
    (["src/**"], "", "src", False),
    (["src/*"], "", "src/a.py", True),
    (["src/*"], "", "src/a/b.py", True),
    (["src/*.py"], "", "src/a/b.py", False),
    (["*.py"], "", "deep/down/a.py", True),
    (["*.py"], "", "a.pyc", False),
    (["**/test/*.py"], "", "a/b/test/x.py", True),
    (["a/**/z"], "", "a/z", True),
    (["a/**/z"], "", "a/b/c/z", True),
    (["?.txt"], "", "a.txt", True),
    (["?.txt"], "", "ab.txt", False),
    (["**", "!docs/"], "", "docs/a.md", False),
    (["**", "!docs/", "docs/keep.md"], "", "docs/keep.md", True),
    (["a.b"], "", "axb", False),
    (["a*b*c"], "", "aXbYbZc", True),
    (["a*b*c"], "", "aXbYbZ", False),
    (["a**c"], "", "abc", True),
    (["**"], "", "a", True),
    (["**/"], "", "a", False),
    (["**/"], "", "a/b", True),
    (["**/**/x"], "", "x", True),
    (["src/"], "", "src/a/b", True),
    (["*"], "", ".hidden", True),
    (["agents/echo/**"], "agents/echo", "shared/x.py", False),
    (["shared/**"], "agents/echo", "shared/x.py", True),
]


@pytest.mark.parametrize(("patterns", "root", "path", "watched"), CASES)
def test_what_is_watched(patterns: list[str], root: str, path: str, watched: bool) -> None:
    assert is_watched(path, root, checked_patterns(patterns)) is watched


def test_the_first_that_matters_is_named() -> None:
    assert first_watched(["a.md", "src/b", "src/c"], "", ["src/**"]) == "src/b"
    assert first_watched(["a.md"], "", ["src/**"]) is None


@pytest.mark.parametrize(
    "patterns",
    [[""], ["!"], ["../x"], ["a/../b"], ["a\nb"], ["x" * 201], ["!a"]],
)
def test_what_cannot_be_a_pattern_is_named(patterns: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        checked_patterns(patterns)
    assert refused.value.errors
    with pytest.raises(Invalid):
        checked_patterns(["a"] * (MAX_PATTERNS + 1))


@given(
    st.lists(st.text(alphabet="ab*?/!.[](){}\\+", max_size=20), max_size=4), st.text(max_size=60)
)
def test_whatever_the_pattern_it_is_read_or_refused(patterns: list[str], path: str) -> None:
    try:
        kept = checked_patterns(patterns)
    except Invalid:
        return
    assert is_watched(path, "", kept) in (True, False)


def test_no_pattern_takes_long() -> None:
    """Each of these would keep a matcher that tries everything busy for years."""
    deep = "/".join(["a"] * 200)
    assert not is_watched("a" * 200, "", ["*a" * 80 + "b"])
    assert not is_watched(deep, "", ["**/a/" * 30 + "b"])
    assert is_watched(deep, "", ["**/a/" * 30 + "a"])
