"""People together, before a person's eyes: inviting, joining, API tokens, the audit log."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import expect

from infra.local.first import sign_in
from tests.browser.conftest import Open
from tests.browser.visitor import Visitor


def found_organisation(visitor: Visitor, name: str) -> None:
    """Make an organisation by hand, and work in it."""
    visitor.go("/organisations/new")
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_role("button", name="Create organisation").click()
    visitor.page.get_by_role("heading", name=name, level=1).wait_for()


def test_somebody_is_invited_by_email_and_joins_in_another_browser(
    person: Visitor, window: Open
) -> None:
    found_organisation(person, "Harbour Office 港湾")
    email = f"guest-{time.time_ns()}@example.org"
    page = person.page
    page.get_by_role("button", name="Invite somebody").click()
    expect(page.get_by_label("Email")).to_be_focused()
    page.get_by_label("Email").fill("guest")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text("Write a whole address")).to_be_visible()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Role", exact=True).select_option("viewer")
    began = time.time() - 1
    page.get_by_role("button", name="Send invitation").click()
    page.get_by_text(f"Invitation sent to {email}").wait_for()
    page.get_by_role("link", name="Invitations").click()
    expect(page.get_by_text("Waiting")).to_be_visible()
    assert person.violations() == []

    guest = window()
    guest.email = email
    link = next(one for one in guest.mail(began)["links"] if "/invitations" in one)
    guest.page.goto(link)
    guest.page.get_by_text("invites you to").wait_for()
    expect(guest.page.get_by_text("Viewer: looks at everything")).to_be_visible()
    assert guest.violations() == []
    # Whoever has no account yet signs in with the address, and comes back to the invitation.
    guest.page.get_by_role("link", name=f"Sign in as {email}").click()
    guest.page.get_by_label("Email").fill(email)
    began = time.time()
    guest.page.get_by_role("button", name="Send me a link").click()
    guest.page.get_by_text("Check your mail").wait_for()
    guest.page.goto(sign_in_link(guest, began))
    guest.page.get_by_role("button", name="Sign in").click()
    guest.page.get_by_role("button", name="Accept").click()
    guest.page.get_by_role("heading", name="Harbour Office 港湾", level=1).wait_for()
    expect(guest.page.get_by_role("listitem").filter(has_text=email)).to_contain_text("Viewer")
    expect(guest.page.get_by_role("button", name="Invite somebody")).to_have_count(0)

    page.get_by_role("link", name="Members", exact=True).click()
    page.reload()
    expect(page.get_by_role("listitem").filter(has_text=email)).to_contain_text("Viewer")
    page.get_by_role("link", name="Audit log").click()
    page.get_by_role("button", name="Verify the log").click()
    expect(page.get_by_text("Whole", exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile("invitation accepted")).click()
    expect(page.get_by_text("invitation.accepted", exact=True)).to_be_visible()
    assert person.violations() == []


def test_an_invitation_is_not_for_another_account(person: Visitor, window: Open) -> None:
    found_organisation(person, "Quay Seven")
    page = person.page
    email = f"guest-{time.time_ns()}@example.org"
    page.get_by_role("button", name="Invite somebody").click()
    page.get_by_label("Email").fill(email)
    began = time.time() - 1
    page.get_by_role("button", name="Send invitation").click()
    page.get_by_text(f"Invitation sent to {email}").wait_for()
    another = window()
    another.sign_in(f"another-{time.time_ns()}@example.org")
    own, another.email = another.email, email
    link = next(one for one in another.mail(began)["links"] if "/invitations" in one)
    another.page.goto(link)
    expect(another.page.get_by_role("alert")).to_contain_text(own)
    expect(another.page.get_by_role("button", name="Accept")).to_have_count(0)
    assert another.violations() == []


def test_the_rights_of_a_member_are_changed_by_keyboard_alone(person: Visitor) -> None:
    found_organisation(person, "Pilot Station")
    page = person.page
    email = f"guest-{time.time_ns()}@example.org"
    page.get_by_role("button", name="Invite somebody").click()
    page.get_by_label("Email").fill(email)
    began = time.time() - 1
    page.get_by_role("button", name="Send invitation").click()
    page.get_by_text(f"Invitation sent to {email}").wait_for()
    guest = Visitor(person.context, page, person.web_url, email)
    [secret] = parse_qs(urlsplit(guest.mail(began)["links"][0]).fragment)["token"]
    with sign_in(person.web_url, email) as api:
        api.ask("POST", "/invitations/accept", json={"token": secret})
    page.reload()
    row = page.get_by_role("listitem").filter(has_text=email)
    actions = row.get_by_role("button", name=re.compile("^Actions for"))
    dialog = page.get_by_role("dialog", name=re.compile("^Rights of"))
    role = dialog.get_by_label("Role", exact=True)

    for leave in ("Escape", "Cancel"):
        actions.focus()
        page.keyboard.press("Enter")
        page.get_by_role("menuitem", name="Change rights").wait_for()
        page.keyboard.press("Enter")
        expect(role).to_be_focused()
        assert person.violations() == []
        if leave == "Escape":
            page.keyboard.press("Escape")
        else:
            dialog.get_by_role("button", name=leave).press("Enter")
        expect(dialog).to_have_count(0)
        expect(actions).to_be_focused()

    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Change rights").wait_for()
    page.keyboard.press("Enter")
    expect(role).to_be_focused()
    # Whatever is pressed, the focus stays among the dialog's own.
    for _ in range(12):
        page.keyboard.press("Tab")
        expect(dialog.locator(":focus")).to_have_count(1)
    role.select_option("viewer")
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(dialog).to_have_count(0)
    expect(row).to_contain_text("Viewer")
    expect(actions).to_be_focused()


def test_a_token_is_made_used_and_revoked(person: Visitor) -> None:
    page = person.page
    person.go("/profile/tokens")
    page.get_by_text("No API tokens").wait_for()
    page.get_by_role("button", name="New token").first.click()
    page.get_by_label("Name").fill("Wall display")
    page.get_by_label("Scope").select_option("read")
    page.get_by_role("button", name="Create token").click()
    dialog = page.get_by_role("dialog")
    secret = dialog.get_by_role("code").first.inner_text()
    headers = {"Authorization": f"Bearer {secret}"}
    agents = f"{person.web_url}/api/v1/agents"
    assert httpx.get(agents, headers=headers).status_code == 200
    dialog.get_by_label("I have copied it").check()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_text(secret)).to_have_count(0)
    page.reload()
    row = page.get_by_role("listitem").filter(has_text="Wall display")
    expect(row).to_contain_text("used")
    assert person.violations() == []
    row.get_by_role("button", name="Revoke Wall display").click()
    page.get_by_role("button", name="Revoke it").click()
    page.get_by_text("No API tokens").wait_for()
    assert httpx.get(agents, headers=headers).status_code == 401


def sign_in_link(visitor: Visitor, after: float) -> str:
    """The link of a sign-in mail, which comes after the invitation's."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        links: list[str] = visitor.mail(after - 2)["links"]
        if links and "/sign-in/" in links[0]:
            return links[0]
        time.sleep(0.1)
    raise AssertionError(f"No sign-in link for {visitor.email}.")
