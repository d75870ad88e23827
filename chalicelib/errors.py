"""Every error a person can meet, as one tree.

PlatformError
├── Invalid               422      the request does not say something we can do
│   └── Malformed         400      the request cannot even be read
├── Unauthenticated       401      nobody, or nobody we can prove
├── Forbidden             403      the principal's role does not allow the action
├── NotFound              404      it does not exist, or belongs to another organisation
├── Conflict              409      the present state does not allow this
│   └── ChangedMeanwhile  409      somebody else wrote first; read again
├── PreconditionFailed    412      If-Match names another revision
├── TooLarge              413      larger than the limit the detail names
├── TooManyRequests       429      slow down; carries `retry_after`
├── Unavailable           503      something we depend on did not answer; trying again may help
│   ├── HostUnavailable   503      the host of the agents did not answer, or not now
│   └── CodeHostUnavailable 503    the host of the sources did not answer, or not now
├── Damaged               500      what is stored cannot be read; nobody who asks can mend it
├── HostRefused           502      the host of the agents said no
├── CodeHostRefused       502      the host of the sources said no
└── ProviderRefused       502      the sign-in provider said no, or what cannot be trusted
"""

from __future__ import annotations

from typing import Any, ClassVar

from chalicelib.values import frozen


@frozen
class FieldError:
    """One wrong field of a request: where it is, and what to change."""

    field: str
    detail: str
    line: int | None = None


class PlatformError(Exception):
    """The root. `detail` says what is wrong and how to mend it; `code` is stable."""

    status: ClassVar[int] = 500
    code: str = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after
        if code is not None:
            self.code = code


class Invalid(PlatformError):
    status = 422
    code = "invalid_request"
    title = "The request is not valid"


class Malformed(Invalid):
    status = 400
    code = "malformed_request"
    title = "The request could not be read"


class Unauthenticated(PlatformError):
    status = 401
    code = "unauthenticated"
    title = "Sign in first"


class Forbidden(PlatformError):
    status = 403
    code = "forbidden"
    title = "Your role does not allow this"


class NotFound(PlatformError):
    status = 404
    code = "not_found"
    title = "There is no such thing here"


class Conflict(PlatformError):
    status = 409
    code = "conflict"
    title = "The present state does not allow this"


class ChangedMeanwhile(Conflict):
    """A write met another revision than it was made from; read again and retry.

    `lost` holds the positions, in the commit, of the changes that met another revision.
    """

    code = "changed_meanwhile"

    def __init__(self, detail: str, *, lost: frozenset[int] = frozenset(), **more: Any) -> None:
        super().__init__(detail, **more)
        self.lost = lost


class PreconditionFailed(PlatformError):
    status = 412
    code = "precondition_failed"
    title = "It has changed since you read it"


class TooLarge(PlatformError):
    status = 413
    code = "too_large"
    title = "Too large"


class TooManyRequests(PlatformError):
    status = 429
    code = "too_many_requests"
    title = "Too many requests"


class Damaged(PlatformError):
    """Something stored is not as it was written. Logged with its place; trying again is in vain."""

    status = 500
    code = "stored_damaged"
    title = "Something stored cannot be read"


class Unavailable(PlatformError):
    status = 503
    code = "unavailable"
    title = "Not available just now"


class HostUnavailable(Unavailable):
    """The host did not do it this time.

    `ambiguous`: it may have had its effect all the same, so look before asking again. `trace` is
    the host's own id of the failure, for its support.
    """

    code = "host_unavailable"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        retry_after: int | None = None,
        ambiguous: bool = False,
        trace: str = "",
    ) -> None:
        super().__init__(detail, code=code, retry_after=retry_after)
        self.ambiguous = ambiguous
        self.trace = trace


class HostRefused(PlatformError):
    """The host answered, and said no; asking again the same way will not help."""

    status = 502
    code = "host_refused"
    title = "The host refused"

    def __init__(self, detail: str, *, code: str | None = None, trace: str = "") -> None:
        super().__init__(detail, code=code)
        self.trace = trace


class CodeHostUnavailable(Unavailable):
    """The code host did not do it this time; `retry_after` says when to ask again."""

    code = "code_host_unavailable"


class CodeHostRefused(PlatformError):
    """The code host answered, and said no; asking again the same way will not help."""

    status = 502
    code = "code_host_refused"
    title = "The code host refused"


class ProviderRefused(PlatformError):
    """A sign-in provider said no, or something that does not prove who somebody is."""

    status = 502
    code = "provider_refused"
    title = "The sign-in provider did not vouch for you"
