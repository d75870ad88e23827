"""Who somebody is at a sign-in provider, and how that is tied to an account of ours.

An identity is known by issuer and subject, never by email: addresses change hands. An email that
the provider has verified only says with which account an identity may be linked, after proof.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.values import frozen

OFFER_LIFETIME = timedelta(minutes=30)
MAX_IDENTITIES = 10
"""Of one person."""


@frozen
class Profile:
    """What a provider says of somebody who has just signed in there.

    `email` is None unless the provider says that it is verified.
    """

    provider: str
    issuer: str
    subject: str
    email: str | None
    name: str

    def identity(self, identity_id: str, user_id: str, now: datetime) -> Identity:
        """The identity that ties this to an account."""
        return Identity(
            id=identity_id,
            issuer=self.issuer,
            subject=self.subject,
            user_id=user_id,
            provider=self.provider,
            email=self.email,
            name=self.name,
            created_at=now,
        )


@frozen
class Identity:
    """One provider's account that signs in to one of ours."""

    id: str
    issuer: str
    subject: str
    user_id: str
    provider: str
    email: str | None
    name: str
    created_at: datetime
    revision: int = 1


@frozen
class Offer:
    """An identity that was proven, and waits until the account's owner says that it is theirs."""

    profile: Profile
    expires_at: datetime


@frozen
class PendingLink:
    """An offer for the account that holds the email, kept for the browser it was proven in."""

    browser_hash: str
    user_id: str
    offer: Offer
    expires_at: datetime
    revision: int = 1
