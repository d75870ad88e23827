"""A frozen value keeps what a frozen dataclass promises: each is asked beside its twin."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import pytest

from chalicelib.values import frozen


@frozen
class Point:
    """Two numbers and a word."""

    x: int
    y: int = 2
    words: tuple[str, ...] = ()


@frozen
class Named(Point):
    """More fields, and one that is neither compared nor shown."""

    name: str = "a"
    secret: str = field(default="s", compare=False, repr=False)


@frozen
class Alone:
    """One field."""

    only: str


@frozen
class Checked:
    """Looks at itself when it is made."""

    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("below zero")


@frozen
class Silent:
    """Shows itself in its own way."""

    token: str

    def __repr__(self) -> str:
        return "Silent(…)"


def twin(cls: type) -> Any:
    """The same class as the standard library makes it."""

    def made(one: type) -> type:
        bases = tuple(made(base) for base in one.__bases__ if base is not object)
        kept = {"__annotations__": one.__annotations__, "__qualname__": one.__qualname__}
        of = {one.name: one for one in dataclasses.fields(one)}
        for name in one.__annotations__:
            if of[name].default is not dataclasses.MISSING:
                kept[name] = field(
                    default=of[name].default, compare=of[name].compare, repr=of[name].repr
                )
        return dataclass(frozen=True)(type(one.__name__, bases, kept))

    return made(cls)


@pytest.mark.parametrize(
    ("cls", "one", "other"),
    [
        (Point, {"x": 1}, {"x": 1, "y": 3}),
        (Point, {"x": 1, "words": ("a",)}, {"x": 1, "words": ("b",)}),
        (Named, {"x": 1, "name": "b"}, {"x": 1}),
        (Named, {"x": 1, "secret": "t"}, {"x": 1, "secret": "u"}),
        (Alone, {"only": "a"}, {"only": "b"}),
    ],
)
def test_it_is_compared_hashed_and_shown_as_a_frozen_dataclass_is(
    cls: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    peer = twin(cls)
    assert cls(**one) == cls(**one)
    assert (cls(**one) == cls(**other)) is (peer(**one) == peer(**other))
    assert hash(cls(**one)) == hash(peer(**one))
    assert repr(cls(**one)) == repr(peer(**one))
    assert dataclasses.asdict(cls(**one)) == dataclasses.asdict(peer(**one))


def test_it_equals_nothing_of_another_class() -> None:
    assert Point(1) != Named(1)
    as_tuple: object = (1, 2, ())
    assert Point(1) != as_tuple
    assert len({Point(1), Point(1), Named(1)}) == 2


@pytest.mark.parametrize("name", ["x", "words", "unknown"])
def test_nothing_is_changed_once_it_is_made(name: str) -> None:
    made = Point(1)
    with pytest.raises(FrozenInstanceError):
        setattr(made, name, 9)
    with pytest.raises(FrozenInstanceError):
        delattr(made, name)
    assert made == Point(1)


def test_a_changed_copy_is_a_new_value_and_is_looked_at_again() -> None:
    assert dataclasses.replace(Named(1, name="b"), y=5) == Named(1, 5, name="b")
    with pytest.raises(ValueError, match="below zero"):
        dataclasses.replace(Checked(1), number=-1)


def test_copies_are_equal() -> None:
    made = Named(1, words=("a", "b"))
    assert copy.deepcopy(made) == made
    assert copy.copy(made) == made


def test_what_a_class_says_itself_stays() -> None:
    assert repr(Silent("secret")) == "Silent(…)"
