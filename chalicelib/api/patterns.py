"""What the patterns of fields mean, in words: a regular expression helps nobody to mend a value."""

from __future__ import annotations

_LINE = "Write one line, without control characters and without those that turn text around."
_TEXT = "Leave out control characters and those that turn text around."
MEANINGS = {
    r"^[\x21-\x7e]+$": "Use printable ASCII characters without spaces.",
    r"^[a-zA-Z0-9-]{1,24}$": "Use 1 to 24 letters, digits and dashes, such as production.",
    r"^[0-9]+(:[0-9a-f]*)?$": "Send a number of the log, alone or with its hash: 12 or 12:ab34.",
    r"^o[0-9]+$": "Send back next_cursor as it came, or leave it out.",
    r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$": (
        "Write one line with at least one character that can be seen."
    ),
    r"^[^\x00]*$": "Leave out the character NUL.",
    r"^[0-9a-f]{40}([0-9a-f]{24})?$": "Send the whole name of the commit: 40 or 64 hex digits.",
    r"^[^\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*$": (
        "Leave out characters that cannot be seen and those that turn text around."
    ),
    r"^[a-z0-9]+(-[a-z0-9]+)*$": (
        "Use a to z, 0 to 9 and single dashes between them, such as site-crawler."
    ),
    r"^[A-Za-z_][A-Za-z0-9_]{0,127}$": (
        "Use letters, digits and underscores, and begin with no digit, such as API_KEY."
    ),
    r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$": _LINE,
    r"^[^\x00-\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]*$": (
        "Send one emoji, or nothing. Pictures have an endpoint of their own."
    ),
    r"^[A-Za-z0-9.+ ()-]*$": "Name the licence as SPDX does, such as MIT or Apache-2.0.",
    r"^(https://[A-Za-z0-9][^\s\x00-\x1f<>\"'\\]*)?$": (
        "Send an address that begins with https:// and has no spaces, quotes or < >."
    ),
    r"^[^\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$": _TEXT,
    r"^[^\x00-\x1f]+$": "Write one line, without control characters.",
}
