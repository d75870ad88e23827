"""Knows how the emulator keeps sent mail, and how a mailbox shows it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

LINK = re.compile(r"https?://[^\s<>\"']+")


def read_mail(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The emulator's list of sent mail as the mailbox shows it."""
    messages = [mail for mails in document.get("messages", {}).values() for mail in mails]
    items = []
    for mail in messages:
        text = mail.get("BodyText") or ""
        items.append(
            {
                "to": ", ".join(mail.get("To", [])),
                "from": mail.get("Source", ""),
                "subject": mail.get("Subject", ""),
                "sent_at": _moment(mail.get("Timestamp")),
                "text": text,
                "links": LINK.findall(text),
            }
        )
    return sorted(items, key=lambda item: item["sent_at"], reverse=True)


def _moment(value: Any) -> str:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
    return str(value)
