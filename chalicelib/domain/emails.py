"""Email addresses in their normal form: one mailbox is one text, and a look-alike is another.

Case does not count; a `+tag` does, because only the receiving server knows what it means. The part
before the `@` is plain ASCII. A domain of other scripts is kept and shown as its `xn--` form, so
that one which only looks like a well-known name never passes for it.
"""

from __future__ import annotations

import re

from chalicelib.errors import FieldError, Invalid

MAX_EMAIL = 254
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MAX_LOCAL = 64
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


def normal_email(text: str, *, field: str = "email") -> str:
    """The address as it is stored, compared and written to; raises Invalid, naming `field`."""
    # Before lower(): some letters of other scripts become ASCII by it, such as the Kelvin sign.
    local, at, domain = text.strip(" \t").rpartition("@")
    if not at or not local.isascii():
        raise _refused(field)
    local = local.lower()
    domain = _domain(domain)
    address = f"{local}@{domain}"
    if (
        len(local) > _MAX_LOCAL
        or len(address) > MAX_EMAIL
        or not _LOCAL.fullmatch(local)
        or not domain
    ):
        raise _refused(field)
    return address


def _domain(text: str) -> str:
    """In lower case and ASCII; empty when it cannot be the domain of a mailbox."""
    plain = text.lower() if text.isascii() else ""
    if not plain or "xn--" in plain:
        import idna  # noqa: PLC0415 - its tables are large, and few addresses need them

        try:
            plain = idna.encode(text, uts46=True, std3_rules=True).decode().lower()
        except (idna.IDNAError, UnicodeError):
            return ""
    labels = plain.split(".")
    fits = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    # Mail to a bare number would go to an IP address, not to a domain.
    return plain if fits and not labels[-1].isdecimal() else ""


def _refused(field: str) -> Invalid:
    return Invalid(
        "This is not an email address we can write to.",
        code="email_invalid",
        errors=(
            FieldError(field, "Give one address such as you@example.com, without a name around."),
        ),
    )
