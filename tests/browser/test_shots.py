"""The list of pictures: none takes another's place."""

from __future__ import annotations

from collections import Counter

from tests.browser.shots import shots


def test_every_picture_has_a_name_of_its_own() -> None:
    names = Counter(f"{shot.name}-{shot.state}" for shot in shots())
    assert [name for name, count in names.items() if count > 1] == []
