"""Pictures: what is taken, what is refused and why, and that nothing but the picture is kept."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from chalicelib.domain.images import ICON, SCREENSHOT, ImageKind, checked
from chalicelib.errors import Invalid

SECRET = b"taken at 52.5200 N 13.4050 E"


def drawn(mode: str = "RGB", size: tuple[int, int] = (256, 256)) -> Pillow.Image:
    """A picture in which every point differs a little."""
    width, height = size
    noise = random.Random(1).randbytes(width * height)  # noqa: S311 - repeatable, not secret
    channels = (
        bytes(x % 256 for x in range(width)) * height,
        b"".join(bytes([y % 256]) * width for y in range(height)),
        noise.translate(bytes(value % 40 for value in range(256))),
    )
    bands = [Pillow.frombytes("L", size, channel) for channel in channels]
    return Pillow.merge("RGB", bands).convert(mode)


def saved(picture: Pillow.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif() -> Pillow.Exif:
    said = Pillow.Exif()
    said[0x010E] = SECRET.decode()
    return said


def refusal(data: bytes, limits: Any = SCREENSHOT) -> str:
    with pytest.raises(Invalid) as refused:
        checked(data, limits)
    assert refused.value.code == "image_refused"
    return refused.value.errors[0].detail


def same_points(one: bytes, other: bytes) -> bool:
    first, second = Pillow.open(io.BytesIO(one)), Pillow.open(io.BytesIO(other))
    return first.convert("RGBA").tobytes() == second.convert("RGBA").tobytes()


@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        *((mode, "PNG", {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "JPEG", {}) for mode in ("L", "RGB")),
        ("RGB", "JPEG", {"progressive": True}),
        ("RGB", "JPEG", {"restart_marker_rows": 2}),
        ("RGB", "WEBP", {}),
        ("RGBA", "WEBP", {}),
        ("RGB", "WEBP", {"lossless": True}),
        ("RGBA", "WEBP", {"lossless": True}),
    ],
)
def test_a_picture_is_kept_as_it_looks(mode: str, kind: str, options: dict[str, Any]) -> None:
    picture = drawn("L").convert("I").convert("I;16") if mode == "I;16" else drawn(mode)
    if mode in ("RGBA", "LA"):
        picture.putalpha(drawn("L"))
    data = saved(picture, kind, **options)
    image = checked(data, SCREENSHOT)
    assert (image.kind, image.width, image.height) == (ImageKind(kind.lower()), 256, 256)
    assert image.media_type == f"image/{kind.lower()}"
    assert same_points(data, image.data)
    assert checked(image.data, SCREENSHOT) == image, "what is kept is taken again, unchanged"


def interlaced(width: int, height: int) -> bytes:
    """An interlaced grey PNG, which Pillow reads but does not write."""
    rows = b""
    for left, top, right, down in (
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
        *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
    ):
        for y in range(top, height, down):
            row = bytes((x + y) % 256 for x in range(left, width, right))
            rows += b"\0" + row if row else b""
    return png(struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1), zlib.compress(rows))


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(header: bytes, packed: bytes, *more: bytes) -> bytes:
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *more,
            chunk(b"IDAT", packed),
            chunk(b"IEND", b""),
        ]
    )


def grey(width: int, height: int, **_: Any) -> bytes:
    return struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


@pytest.mark.parametrize("size", [(256, 256), (203, 217)])
def test_an_interlaced_picture_is_taken(size: tuple[int, int]) -> None:
    data = interlaced(*size)
    assert same_points(data, checked(data, SCREENSHOT).data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_where_it_was_taken_is_left_behind(kind: str) -> None:
    data = saved(drawn(), kind, exif=exif(), icc_profile=b"profile" + SECRET)
    assert SECRET in data
    image = checked(data, SCREENSHOT)
    assert SECRET not in image.data
    assert same_points(data, image.data)


def test_text_and_comments_are_left_behind() -> None:
    data = png(grey(256, 256), zlib.compress((b"\0" + b"\x80" * 256) * 256))
    texts = chunk(b"tEXt", b"Comment\0" + SECRET) + chunk(b"eXIf", SECRET) + chunk(b"juNk", SECRET)
    data = data[:33] + texts + data[33:]
    assert SECRET not in checked(data, SCREENSHOT).data
    data = saved(drawn(), "JPEG", comment=SECRET)
    assert SECRET in data
    assert SECRET not in checked(data, SCREENSHOT).data


def test_a_picture_that_unpacks_to_more_than_it_says_is_refused() -> None:
    assert "60000" in refusal(png(grey(60_000, 60_000), zlib.compress(b"\0" * 1_000_000)))
    bomb = png(grey(256, 256), zlib.compress(b"\0" * 200_000_000, 9))
    assert "damaged" in refusal(bomb)
    huge = saved(drawn(), "JPEG")
    at = huge.index(b"\xff\xc0")
    assert "65535" in refusal(huge[: at + 5] + b"\xff\xff\xff\xff" + huge[at + 9 :])
    wide = saved(drawn(), "WEBP", lossless=True)
    at = wide.index(b"VP8L") + 9
    assert "16384" in refusal(wide[:at] + b"\xff\xff\xff\x0f" + wide[at + 4 :])
    canvas = saved(drawn("RGBA"), "WEBP", exif=exif())
    at = canvas.index(b"VP8X") + 12
    assert "damaged" in refusal(canvas[:at] + b"\xff\xff\xff" + canvas[at + 3 :])


def test_an_endless_number_of_scans_is_refused() -> None:
    data = saved(drawn(), "JPEG", progressive=True)
    first, last = data.index(b"\xff\xda"), data.rindex(b"\xff\xda")
    assert last > first
    assert "damaged" in refusal(data[:-2] + data[last:-2] * 100 + b"\xff\xd9")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_cut_off_is_refused(kind: str) -> None:
    data = saved(drawn(size=(210, 210)), kind)
    for end in (*range(0, 60, 7), len(data) // 2, len(data) - 4, len(data) - 1):
        refusal(data[:end])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("more", [b"PK\x03\x04 a zip", b"<script>alert(1)</script>", b"\0"])
def test_what_is_attached_behind_the_end_is_refused(kind: str, more: bytes) -> None:
    assert "behind" in refusal(saved(drawn(size=(210, 210)), kind) + more)


@pytest.mark.parametrize(
    "data",
    [
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b'\xef\xbb\xbf <?xml version="1.0"?><svg><script>alert(1)</script></svg>',
        "<svg onload=alert(1)>".encode("utf-16"),
        b"<!doctype html><script>alert(1)</script>",
    ],
)
def test_markup_is_refused_and_told_why(data: bytes) -> None:
    assert "scripts" in refusal(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + b"\0" * 100, b"BM" + b"\0" * 100, b"\0\0\0\x1cftypavif", b"MZ" + b"\0" * 50],
)
def test_other_files_are_told_what_is_taken(data: bytes) -> None:
    assert "PNG, JPEG or WebP" in refusal(data)


def test_pictures_that_move_are_refused() -> None:
    frames = [drawn(), drawn().rotate(90)]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert "move" in refusal(data)
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    image = checked(data, SCREENSHOT)
    assert b"acTL" in data
    assert b"acTL" not in image.data
    assert b"fdAT" not in image.data


@pytest.mark.parametrize(
    ("size", "word"), [((64, 65), "square"), ((32, 32), "at least"), ((1025, 1025), "at most")]
)
def test_an_icon_is_a_small_square(size: tuple[int, int], word: str) -> None:
    assert word in refusal(saved(drawn(size=size), "PNG"), ICON)
    assert checked(saved(drawn(size=(128, 128)), "PNG"), ICON).width == 128


def test_a_file_has_a_largest_size() -> None:
    assert "700 kB" in refusal(b"\x89PNG\r\n\x1a\n" + b"\0" * 700_001)


def test_cmyk_is_refused() -> None:
    assert "RGB" in refusal(saved(drawn("CMYK"), "JPEG"))


@cache
def whole(kind: str) -> bytes:
    return saved(drawn(size=(210, 210)), kind)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@given(data=st.data())
@settings(deadline=None)
def test_whatever_is_changed_in_it_nothing_but_a_refusal_comes(
    kind: str, data: st.DataObject
) -> None:
    changed = bytearray(whole(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(changed) - 1, 400)))
        changed[at] = data.draw(st.integers(0, 255))
    try:
        image = checked(bytes(changed), SCREENSHOT)
    except Invalid:
        return
    assert checked(image.data, SCREENSHOT) == image
