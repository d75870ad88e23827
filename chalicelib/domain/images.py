"""Pictures that people upload: what is one, how large it is, and what of it is kept.

Sizes are read from the headers before anything is unpacked, and no pixel is ever decoded. What is
kept is put together anew of the parts that make the picture: metadata (where and with what it was
taken, among it), further frames and whatever else a file can carry is left behind.
"""

from __future__ import annotations

import secrets
import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from typing import NoReturn

from chalicelib.errors import FieldError, Invalid
from chalicelib.values import frozen


class ImageKind(StrEnum):
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


@frozen
class ImageLimits:
    """What a picture may be, for one purpose."""

    what: str
    max_bytes: int
    min_side: int
    max_width: int
    max_height: int
    square: bool = False


ICON = ImageLimits("An icon", 300_000, 64, 1024, 1024, square=True)
SCREENSHOT = ImageLimits("A screenshot", 700_000, 200, 2560, 2560)
MAX_SCREENSHOTS = 6


@frozen
class Screenshot:
    """One of a listing's; `path` is where it lies, on our own site as in the store. `alt` is read
    to whoever does not see it."""

    path: str
    width: int
    height: int
    alt: str = ""


@frozen
class Image:
    """A picture as it is kept and sent."""

    kind: ImageKind
    width: int
    height: int
    data: bytes

    @property
    def media_type(self) -> str:
        return f"image/{self.kind}"


MEDIA = "media/"
"""Where pictures lie; what is below it can be read by everybody who knows its name."""


def media_folder(org_id: str, agent_id: str) -> str:
    """Where an agent's pictures lie. It names neither: a picture's address tells nobody whose it
    is."""
    return f"{MEDIA}{sha256(f'{org_id} {agent_id}'.encode()).hexdigest()[:16]}/"


def media_path(org_id: str, agent_id: str, image: Image) -> str:
    """A new place for a picture, which cannot be guessed."""
    return f"{media_folder(org_id, agent_id)}{secrets.token_hex(12)}.{image.kind}"


def checked(data: bytes, limits: ImageLimits) -> Image:
    """The picture without what does not belong to it; raises Invalid saying what is wrong."""
    if len(data) > limits.max_bytes:
        _refuse(f"{limits.what} may have at most {limits.max_bytes // 1000} kB. Make it smaller.")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        image = _png(data, limits)
    elif data.startswith(b"\xff\xd8"):
        image = _jpeg(data, limits)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        image = _webp(data, limits)
    elif _is_markup(data):
        _refuse(
            "SVG and other markup is not taken: it can carry scripts, which would run at everybody "
            "who looks. Export it as PNG or WebP."
        )
    else:
        _refuse("This is no picture that can be shown. Save it as PNG, JPEG or WebP.")
    return image


def _is_markup(data: bytes) -> bool:
    head = data[:1024].lower()
    for encoding in ("utf-16-le", "utf-16-be"):
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            head += data[2:1024].decode(encoding, "ignore").lower().encode()
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or b"<svg" in head


def _refuse(detail: str) -> NoReturn:
    raise Invalid(
        "This picture cannot be taken.",
        code="image_refused",
        errors=(FieldError("data", detail),),
    )


def _broken() -> NoReturn:
    _refuse("The picture is cut off or damaged. Save it anew and send it again.")


def _sized(width: int, height: int, limits: ImageLimits) -> None:
    if width > limits.max_width or height > limits.max_height:
        _refuse(
            f"{limits.what} may have at most {limits.max_width} × {limits.max_height} points; this "  # noqa: RUF001 - it is read by people
            f"one says that it has {width} × {height}."  # noqa: RUF001
        )
    if min(width, height) < limits.min_side:
        _refuse(f"{limits.what} needs at least {limits.min_side} points in width and height.")
    if limits.square and width != height:
        _refuse(f"{limits.what} is square; this picture is {width} × {height}.")  # noqa: RUF001


# --- PNG ---------------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# Where each of the seven passes of an interlaced picture begins, and how far it steps.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ALL_PASSES = (*_PASSES, (0, 1, 1, 2))


def _png(data: bytes, limits: ImageLimits) -> Image:
    chunks = list(_png_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        _broken()
    width, height, depth, colour, packing, filtering, lacing = struct.unpack(
        ">IIBBBBB", chunks[0][1]
    )
    _sized(width, height, limits)
    if depth not in _DEPTHS.get(colour, ()) or packing or filtering or lacing > 1:
        _broken()
    names = [name for name, _ in chunks]
    if names.count(b"IHDR") != 1 or b"IDAT" not in names or names[-1] != b"IEND":
        _broken()
    if colour == 3 and b"PLTE" not in names:
        _broken()
    bits = depth * _CHANNELS[colour]
    expected = _png_size(width, height, bits, laced=bool(lacing))
    _inflated((body for name, body in chunks if name == b"IDAT"), expected)
    kept = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
        if name in _PNG_KEPT
    )
    return Image(ImageKind.PNG, width, height, _PNG + kept)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at < len(data):
        if at + 12 > len(data):
            _broken()
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data) or not name.isalpha():
            _broken()
        body = data[at + 8 : end]
        if struct.unpack_from(">I", data, end)[0] != zlib.crc32(name + body):
            _broken()
        yield name, body
        at = end + 4
        if name == b"IEND":
            if at != len(data):
                _more()
            return


def _png_size(width: int, height: int, bits: int, *, laced: bool) -> int:
    """How many bytes the rows unpack to, each with its filter in front."""
    total = 0
    for left, top, right, down in _ALL_PASSES if laced else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // right), -((top - height) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def _inflated(parts: Iterator[bytes], expected: int) -> None:
    """Raises unless the rows unpack to exactly what the header promises; never to more."""
    unpacker, total = zlib.decompressobj(), 0
    try:
        for part in parts:
            left = part
            while left:
                total += len(unpacker.decompress(left, 65536))
                left = unpacker.unconsumed_tail
                if total > expected:
                    _broken()
        total += len(unpacker.flush())
    except zlib.error:
        _broken()
    if total != expected or not unpacker.eof:
        _broken()


# --- JPEG --------------------------------------------------------------------------------------

_FRAMES = (0xC0, 0xC1, 0xC2)
_SCAN, _END = 0xDA, 0xD9
_JPEG_KEPT = frozenset({*_FRAMES, 0xC4, 0xDB, 0xDD, _SCAN})
_MAX_SCANS = 60
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


def _jpeg(data: bytes, limits: ImageLimits) -> Image:
    kept, scans = [b"\xff\xd8", _JFIF], 0
    size: tuple[int, int] | None = None
    for marker, body, whole in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker not in _FRAMES or size is not None:
                _refuse("This kind of JPEG is not shown by browsers. Save it as a plain JPEG.")
            size = _jpeg_size(body)
            _sized(*size, limits)
        scans += marker == _SCAN
        if (marker == _SCAN and size is None) or scans > _MAX_SCANS:
            _broken()
        if marker in _JPEG_KEPT or (marker == 0xEE and body[:5] == b"Adobe" and len(body) == 12):
            kept.append(whole)
    if size is None or not scans:
        _broken()
    return Image(ImageKind.JPEG, *size, b"".join([*kept, b"\xff\xd9"]))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each part with its marker and body, and as it stands; a scan with its packed points."""
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if at + 2 > len(data) or data[at] != 0xFF:
            _broken()
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == _END:
            if at + 2 != len(data):
                _more()
            return
        end = at + 2 + length
        if length < 2 or end > len(data):
            _broken()
        after = _scan_end(data, end) if marker == _SCAN else end
        yield marker, data[at + 4 : end], data[at:after]
        at = after


def _jpeg_size(body: bytes) -> tuple[int, int]:
    if len(body) < 6 or body[0] != 8:
        _broken()
    height, width, parts = struct.unpack_from(">HHB", body, 1)
    if parts not in (1, 3) or len(body) != 6 + 3 * parts:
        _refuse("Only pictures in grey or RGB are shown alike everywhere. Save it as RGB.")
    return width, height


def _scan_end(data: bytes, start: int) -> int:
    """Where the packed points end: at the next marker that is none of theirs."""
    at = start
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            _broken()
        follows = data[at + 1]
        if follows == 0xFF:
            at += 1
        elif follows == 0 or 0xD0 <= follows <= 0xD7:
            at += 2
        elif at == start:
            _broken()
        else:
            return at


# --- WebP --------------------------------------------------------------------------------------


def _webp(data: bytes, limits: ImageLimits) -> Image:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data):
        _broken()
    if length + 8 < len(data):
        _more()
    chunks = dict(_riff_chunks(data))
    canvas = _webp_canvas(chunks[b"VP8X"]) if b"VP8X" in chunks else None
    alpha = b""
    if b"VP8L" in chunks and b"VP8 " not in chunks:
        name, body = b"VP8L", chunks[b"VP8L"]
        size = _lossless_size(body)
    elif b"VP8 " in chunks and b"VP8L" not in chunks:
        name, body = b"VP8 ", chunks[b"VP8 "]
        size = _lossy_size(body)
        alpha = chunks.get(b"ALPH", b"")
    else:
        _broken()
    if canvas not in (None, size):
        _broken()
    _sized(*size, limits)
    parts = _riff(name, body)
    if alpha:
        sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
        parts = _riff(b"VP8X", b"\x10\0\0\0" + sides) + _riff(b"ALPH", alpha) + parts
    whole = b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts
    return Image(ImageKind.WEBP, *size, whole)


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, seen = 12, set()
    while at < len(data):
        if at + 8 > len(data):
            _broken()
        name = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        end = at + 8 + length
        if name in (b"ANIM", b"ANMF"):
            _refuse("Pictures that move are not shown. Save one frame of it.")
        if end > len(data) or name in seen:
            _broken()
        seen.add(name)
        yield name, data[at + 8 : end]
        at = end + length % 2


def _riff(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_canvas(body: bytes) -> tuple[int, int]:
    if len(body) != 10:
        _broken()
    return (
        int.from_bytes(body[4:7], "little") + 1,
        int.from_bytes(body[7:10], "little") + 1,
    )


def _lossy_size(body: bytes) -> tuple[int, int]:
    if len(body) < 10 or body[3:6] != b"\x9d\x01\x2a" or body[0] & 1:
        _broken()
    if int.from_bytes(body[:3], "little") >> 5 > len(body) - 10:
        _broken()  # the first part alone would be longer than all there is
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(body: bytes) -> tuple[int, int]:
    if len(body) < 6 or body[0] != 0x2F:
        _broken()
    bits = int.from_bytes(body[1:5], "little")
    if bits >> 29:
        _broken()
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _more() -> NoReturn:
    _refuse(
        "Something else is attached behind the picture's end. Save it anew with an image program."
    )
