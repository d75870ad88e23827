"""Tells the contrast of two colours and which levels of WCAG 2 it reaches."""

import re

NAME = "Colour contrast"
EXAMPLE = {"text": "#767676", "background": "#fff"}


def answer(request: dict) -> dict:
    light, dark = sorted(
        (luminance(request.get(n), n) for n in ("text", "background")), reverse=True
    )
    ratio = (light + 0.05) / (dark + 0.05)
    return {
        # Cut, not rounded: 4.499 is not 4.5.
        "ratio": int(ratio * 100) / 100,
        "normal_text": "AAA" if ratio >= 7 else "AA" if ratio >= 4.5 else "fails",
        "large_text": "AAA" if ratio >= 4.5 else "AA" if ratio >= 3 else "fails",
        "graphics": ratio >= 3,
    }


def luminance(colour: object, name: str) -> float:
    found = re.fullmatch(r"#?([0-9a-f]{3}|[0-9a-f]{6})", str(colour).strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"`{name}` must be a colour such as #1a2b3c.")
    digits = found[1] if len(found[1]) == 6 else "".join(c * 2 for c in found[1])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
