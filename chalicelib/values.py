"""Immutable values: what `dataclass(frozen=True)` means, made in a third of its time.

A frozen dataclass compiles up to seven functions for each class. With the platform's two hundred
that was a third of the API function's cold start. These compile their constructor alone; the rest
is shared. `dataclasses.fields`, `replace` and `asdict` take them as they take dataclasses.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, cast, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Makes the class a frozen dataclass: compared, hashed and shown by its fields."""
    made: Any = dataclass(eq=False, repr=False)(cls)
    values = _values([one.name for one in fields(made) if one.compare])
    shown = [one.name for one in fields(made) if one.repr]

    def equals(self: Any, other: object) -> bool:
        if self is other:
            return True
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def show(self: Any) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({inside})"

    made.__setattr__, made.__delattr__ = _set_once, _refuse
    own = vars(cls)
    if "__eq__" not in own:
        made.__eq__ = equals
        made.__hash__ = lambda self: hash(values(self))
    if "__repr__" not in own:
        made.__repr__ = show
    return cast("type[T]", made)


def _values(names: list[str]) -> Any:
    """Reads those attributes, always as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _set_once(self: Any, name: str, value: object) -> None:
    # The constructor is the first to set a field, and the last.
    if name in self.__dict__ or name not in self.__dataclass_fields__:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    self.__dict__[name] = value


def _refuse(_self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")
