"""Invitations: asking somebody by email to join, and joining."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.audit import Audited, AuditEvent
from chalicelib.domain.credentials import hash_secret
from chalicelib.domain.emails import normal_email
from chalicelib.domain.ids import is_id, new_id
from chalicelib.domain.invitations import (
    INVITATION_LIFETIME,
    REMEMBERED,
    SENT_AT_MOST_EVERY,
    Invitation,
    InvitationState,
    new_secret,
    parsed_secret,
    plain_line,
)
from chalicelib.domain.members import Headcount, checked_rights, require_person, require_rank
from chalicelib.domain.tenancy import (
    PERMISSIONS,
    Action,
    EmailClaim,
    Membership,
    Organisation,
    Principal,
    Role,
    User,
)
from chalicelib.errors import (
    ChangedMeanwhile,
    Conflict,
    Forbidden,
    NotFound,
    PlatformError,
    TooManyRequests,
)
from chalicelib.ports import INVITATIONS, Clock, Mail, Put, Store, every
from chalicelib.services.access import Access
from chalicelib.services.audit import Audit
from chalicelib.services.limits import Limits
from chalicelib.services.members import Members
from chalicelib.services.organisations import (
    TRIES,
    Belonging,
    Organisations,
    changing_too_fast,
    gone,
)
from chalicelib.values import frozen


@frozen
class Preview:
    """What an invitation offers, for whoever holds its link."""

    invitation: Invitation
    organisation: Organisation
    inviter: str


class Invitations:
    def __init__(
        self,
        *,
        store: Store,
        mail: Mail,
        limits: Limits,
        access: Access,
        audit: Audit,
        members: Members,
        organisations: Organisations,
        clock: Clock,
        web_url: str,
    ) -> None:
        self._store = store
        self._mail = mail
        self._limits = limits
        self._access = access
        self._audit = audit
        self._members = members
        self._organisations = organisations
        self._clock = clock
        self._web_url = web_url

    # --- for those who invite ---------------------------------------------------------------

    def invite(
        self,
        principal: Principal,
        *,
        email: str,
        role: Role,
        restricted: bool = False,
        grants: Mapping[str, Role] | None = None,
    ) -> Invitation:
        """Mails an invitation. Raises Conflict where there is nothing to invite to."""
        principal.require(Action.MEMBER_INVITE)
        address = normal_email(email)
        grants = dict(grants or {})
        checked_rights(role, restricted=restricted, grants=grants)
        self._members.require_agents(principal.org_id, grants)
        now = self._clock.now()
        invitation_id = new_id("inv")
        secret = new_secret(principal.org_id, invitation_id)
        invitation = Invitation(
            id=invitation_id,
            org_id=principal.org_id,
            email=address,
            role=role,
            hash=hash_secret(secret.secret),
            invited_by=principal.user_id,
            created_at=now,
            sent_at=now,
            ends_at=now + INVITATION_LIFETIME,
            expires_at=now + INVITATION_LIFETIME + REMEMBERED,
            grants=grants,
            restricted=restricted,
        )
        event = AuditEvent.by(
            principal,
            Audited.INVITATION_CREATED,
            invitation_id,
            after={"role": role, "restricted": restricted, "grants": grants},
        )
        for _ in range(TRIES):
            organisation, headcount, inviter = self._scene(principal)
            require_person(principal.token_id, role)
            require_rank(inviter.role, role, *grants.values())
            self._require_room(organisation, headcount, address, now)
            try:
                self._audit.commit(event, Put(invitation), Put(headcount.after()))
            except ChangedMeanwhile:
                continue
            undone = replace(invitation, state=InvitationState.REVOKED, revision=2)
            self._send(
                invitation, organisation, str(secret), address=principal.address, undo=undone
            )
            return invitation
        raise changing_too_fast()

    def listed(self, principal: Principal) -> list[Invitation]:
        """Those that wait or have expired unused, newest first."""
        principal.require(Action.MEMBER_INVITE)
        waiting = (InvitationState.PENDING, InvitationState.EXPIRED)
        now = self._clock.now()
        found = every(self._store, INVITATIONS, principal.org_id)
        return [i for i in found if i.state_at(now) in waiting]

    def resend(self, principal: Principal, invitation_id: str) -> Invitation:
        """Mails it again with a new link; the old one ends, and the seven days begin anew."""
        principal.require(Action.MEMBER_INVITE)
        for _ in range(TRIES):
            organisation, headcount, inviter = self._scene(principal)
            old = self._waiting(principal, invitation_id)
            require_person(principal.token_id, old.role)
            require_rank(inviter.role, old.role, *old.grants.values())
            now = self._clock.now()
            wait = old.sent_at + SENT_AT_MOST_EVERY - now
            if wait.total_seconds() > 0:
                raise TooManyRequests(
                    "This invitation was sent a moment ago. Wait a minute before sending it again.",
                    retry_after=int(wait.total_seconds()) + 1,
                )
            if old.state_at(now) is InvitationState.EXPIRED:
                self._require_room(organisation, headcount, old.email, now)
            secret = new_secret(old.org_id, old.id)
            fresh = replace(
                old,
                hash=hash_secret(secret.secret),
                invited_by=principal.user_id,
                sent_at=now,
                ends_at=now + INVITATION_LIFETIME,
                expires_at=now + INVITATION_LIFETIME + REMEMBERED,
                revision=old.revision + 1,
            )
            event = AuditEvent.by(principal, Audited.INVITATION_RESENT, old.id)
            try:
                self._audit.commit(event, Put(fresh), Put(headcount.after()))
            except ChangedMeanwhile:
                continue
            undone = replace(old, revision=fresh.revision + 1)
            self._send(fresh, organisation, str(secret), address=principal.address, undo=undone)
            return fresh
        raise changing_too_fast()

    def revoke(self, principal: Principal, invitation_id: str) -> None:
        """Ends an invitation that waits; its link says so from then on."""
        principal.require(Action.MEMBER_INVITE)
        for _ in range(TRIES):
            _, _, actor = self._scene(principal)
            invitation = self._waiting(principal, invitation_id)
            require_rank(actor.role, invitation.role)
            revoked = replace(
                invitation, state=InvitationState.REVOKED, revision=invitation.revision + 1
            )
            event = AuditEvent.by(principal, Audited.INVITATION_REVOKED, invitation_id)
            try:
                self._audit.commit(event, Put(revoked))
            except ChangedMeanwhile:
                continue
            return
        raise changing_too_fast()

    def now(self) -> datetime:
        """The time by which invitations expire."""
        return self._clock.now()

    # --- for those who are invited -----------------------------------------------------------

    def preview(self, token: str) -> Preview:
        """What the holder of the link is invited to. Raises NotFound or Conflict when it is of no
        use any more, saying why."""
        invitation, organisation, inviter, _ = self._opened(token)
        if invitation.state is not InvitationState.ACCEPTED:
            self._require_usable(invitation, organisation, inviter)
        user = self._store.get(User, invitation.invited_by)
        return Preview(invitation, organisation, user.email if user else "")

    def accept(self, principal: Principal, token: str) -> Belonging:
        """Makes the caller a member, once. Said again by the same person, it changes nothing."""
        principal.require(Action.ACCOUNT_MANAGE)
        for _ in range(TRIES):
            invitation, organisation, inviter, headcount = self._opened(token)
            claim, present = self._store.get_many(
                (EmailClaim, invitation.email),
                (Membership, invitation.org_id, principal.user_id),
            )
            if claim is None or claim.user_id != principal.user_id:
                raise Forbidden(
                    f"This invitation was sent to {invitation.email}, and you are signed in with "
                    "another address. Sign in with that one, or ask for an invitation to yours.",
                    code="invitation_for_another",
                )
            if invitation.state is InvitationState.ACCEPTED:
                if invitation.accepted_by == principal.user_id and present is not None:
                    return Belonging(organisation, present)
                raise _used()
            self._require_usable(invitation, organisation, inviter)
            if present is not None:
                raise Conflict(
                    "You are a member of this organisation already; an owner or admin can change "
                    "your role.",
                    code="already_member",
                )
            self._require_seat(organisation, headcount)
            membership = Membership(
                org_id=invitation.org_id,
                user_id=principal.user_id,
                role=invitation.role,
                created_at=self._clock.now(),
                grants=invitation.grants,
                restricted=invitation.restricted,
            )
            accepted = replace(
                invitation,
                state=InvitationState.ACCEPTED,
                accepted_by=principal.user_id,
                revision=invitation.revision + 1,
            )
            owners = int(membership.role is Role.OWNER)
            event = AuditEvent(
                org_id=invitation.org_id,
                actor=principal.user_id,
                action=Audited.INVITATION_ACCEPTED,
                subject=invitation.id,
                address=principal.address,
                after={"role": membership.role, "invited_by": invitation.invited_by},
            )
            place = self._organisations.another_place(principal.user_id)
            try:
                self._audit.commit(
                    event,
                    Put(headcount.after(owners=owners, members=+1)),
                    Put(membership),
                    Put(accepted),
                    Put(place),
                )
            except ChangedMeanwhile:
                continue
            self._access.forget()
            return Belonging(organisation, membership)
        raise changing_too_fast()

    # --- how ---------------------------------------------------------------------------------

    def _scene(self, principal: Principal) -> tuple[Organisation, Headcount, Membership]:
        """The organisation and the caller's place in it, as they are now."""
        org_id = principal.org_id
        organisation, headcount, actor = self._store.get_many(
            (Organisation, org_id), (Headcount, org_id), (Membership, org_id, principal.user_id)
        )
        if organisation is None or actor is None:
            raise gone()
        replace(principal, role=actor.role, closing=organisation.closing).require(
            Action.MEMBER_INVITE
        )
        return organisation, headcount or Headcount(org_id), actor

    def _require_room(
        self, organisation: Organisation, headcount: Headcount, email: str, now: datetime
    ) -> None:
        """Raises Conflict when this address cannot be invited here now."""
        if organisation.personal:
            raise Conflict(
                "This is your personal organisation, which stays yours alone. Create an "
                "organisation first, and invite people to that one.",
                code="organisation_personal",
            )
        limits = self._organisations.limits(organisation.tier)
        self._require_seat(organisation, headcount)
        pending = [
            i
            for i in every(self._store, INVITATIONS, organisation.id)
            if i.state_at(now) is InvitationState.PENDING
        ]
        if any(i.email == email for i in pending):
            raise Conflict(
                "This address has an invitation that waits. Send that one again, or revoke it.",
                code="already_invited",
            )
        if len(pending) >= limits.invitations:
            raise Conflict(
                f"{len(pending)} invitations wait, and {limits.invitations} is the limit of this "
                "organisation. Revoke some first.",
                code="invitation_limit",
            )
        claim = self._store.get(EmailClaim, email)
        member = claim and self._store.get(Membership, organisation.id, claim.user_id)
        if member is not None:
            raise Conflict("This address belongs to a member already.", code="already_member")

    def _require_seat(self, organisation: Organisation, headcount: Headcount) -> None:
        allowed = self._organisations.limits(organisation.tier).members
        if headcount.members >= allowed:
            raise Conflict(
                f"This organisation has {headcount.members} members, and {allowed} is the limit of "
                f"the tier {organisation.tier}.",
                code="member_limit",
            )

    def _waiting(self, principal: Principal, invitation_id: str) -> Invitation:
        found = (
            self._store.get(Invitation, principal.org_id, invitation_id)
            if is_id(invitation_id, "inv")
            else None
        )
        if found is None or found.state is InvitationState.REVOKED:
            raise NotFound("This organisation has no such invitation.", code="invitation_unknown")
        if found.state is InvitationState.ACCEPTED:
            raise _used()
        return found

    def _opened(self, token: str) -> tuple[Invitation, Organisation, Membership | None, Headcount]:
        """The invitation whose secret this is, and what it rests on."""
        parsed = parsed_secret(token)
        invitation = (
            self._store.get(Invitation, parsed.org_id, parsed.invitation_id) if parsed else None
        )
        if parsed is None or invitation is None or not invitation.opens_with(parsed.secret):
            raise NotFound(
                "This invitation does not exist, or a newer one was sent. Open the link of the "
                "latest mail, or ask for a new invitation.",
                code="invitation_unknown",
            )
        organisation, headcount, inviter = self._store.get_many(
            (Organisation, invitation.org_id),
            (Headcount, invitation.org_id),
            (Membership, invitation.org_id, invitation.invited_by),
        )
        if organisation is None:
            raise gone()
        return invitation, organisation, inviter, headcount or Headcount(organisation.id)

    def _require_usable(
        self, invitation: Invitation, organisation: Organisation, inviter: Membership | None
    ) -> None:
        state = invitation.state_at(self._clock.now())
        if state is InvitationState.EXPIRED:
            raise Conflict(
                "This invitation has expired: it was good for seven days. Ask for a new one.",
                code="invitation_expired",
            )
        if state is InvitationState.ACCEPTED:
            raise _used()
        if state is InvitationState.REVOKED or not _still_may_invite(inviter, invitation):
            raise Conflict(
                "This invitation was revoked. Ask for a new one if you think it should not be.",
                code="invitation_revoked",
            )
        if organisation.closing:
            raise Conflict(
                "This organisation is being deleted; nobody can join it.",
                code="organisation_closing",
            )

    def _send(
        self,
        invitation: Invitation,
        organisation: Organisation,
        token: str,
        *,
        address: str,
        undo: Invitation,
    ) -> None:
        """Mails the link; when that fails, nothing was changed."""
        user = self._store.get(User, invitation.invited_by)
        name = plain_line(organisation.name)
        inviter = user.email if user else "A member"
        try:
            if not self._limits.may_mail(invitation.email, address):
                raise TooManyRequests(
                    "Many mails have gone out within the hour. Nothing was changed; try again "
                    "later.",
                    retry_after=3600,
                )
            self._mail.send(
                invitation.email,
                f"Invitation to {name} on Slipway",
                f"{inviter} invites you to the organisation “{name}” on Slipway, as "
                f"{invitation.role}.\n\n"
                "Open this link to look at the invitation and accept it:\n\n"
                # The secret stays behind the '#', so neither servers nor link scanners see it.
                f"{self._web_url}/invitations/accept#token={token}\n\n"
                f"It is for {invitation.email} alone, works once and for seven days. If you do "
                "not know who this is, ignore this mail: nothing happens.\n",
            )
        except PlatformError:
            with suppress(ChangedMeanwhile):
                self._store.commit(Put(undo))
            raise


def _still_may_invite(inviter: Membership | None, invitation: Invitation) -> bool:
    """Whether whoever sent it could send it now: with the right goes what was done with it."""
    if inviter is None or Action.MEMBER_INVITE not in PERMISSIONS[inviter.role]:
        return False
    try:
        require_rank(inviter.role, invitation.role, *invitation.grants.values())
    except Forbidden:
        return False
    return True


def _used() -> Conflict:
    return Conflict(
        "This invitation has been accepted; it works once. Sign in with the address it was sent "
        "to, and choose the organisation.",
        code="invitation_used",
    )
