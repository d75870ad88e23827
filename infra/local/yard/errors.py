"""The errors the yard answers with, worded as Railway words them.

Refusal                 what a resolver says: HTTP 200 with an entry in `errors`
  NotAuthorized         wrong token, or a thing the token may not touch
  NotFound              "Deployment not found" and its kin
  BadInput              a value that cannot be
  NotImplementedHere    Railway can, the stand-in cannot
"""

from __future__ import annotations


class Refusal(Exception):
    """A business failure. Railway gives nearly all of them the same code."""

    code = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotAuthorized(Refusal):
    """One text for a dead session and for a resource that may not be touched."""

    def __init__(self) -> None:
        super().__init__("Not Authorized")


class NotFound(Refusal):
    """The named kind of thing is not there."""

    def __init__(self, noun: str) -> None:
        super().__init__(f"{noun} not found")


class BadInput(Refusal):
    """The input has the right type and an impossible value."""

    code = "BAD_USER_INPUT"


class NotImplementedHere(Refusal):
    """Refused rather than pretended."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not implemented by the local stand-in")
