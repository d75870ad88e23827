"""The marketplace before a person's eyes: found by misspelt words, read, run as one's own copy."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from playwright.sync_api import FilePayload, expect

from infra.local.first import Person
from tests.api.test_images import picture
from tests.browser.conftest import Open
from tests.e2e.conftest import LocalCloud
from tests.e2e.test_marketplace import FIRST, SECOND, eventually, publish, source

SLUG = "postcard-greeter"
NAME = "Postcard greeter"
LISTING = {
    "name": NAME,
    "slug": SLUG,
    "summary": "Writes a postcard with the greeting that you set",
    "categories": ["utilities"],
    "tags": ["greeting"],
    "icon": "💌",
}


@pytest.fixture(scope="session")
def author(cloud: LocalCloud) -> tuple[Person, dict[str, Any]]:
    """Somebody with one published agent, found by the search."""
    person = cloud.sign_in("postcards@example.org")
    agent = person.create("/agents", {"name": NAME})
    person.ask("PUT", f"/agents/{agent['id']}/listing", json=LISTING)
    publish(person, agent["id"], source("1.0.0", FIRST))

    def found() -> bool:
        page = person.ask("GET", "/marketplace/agents", params={"q": NAME})
        return any(item["slug"] == SLUG for item in page["items"])

    assert eventually(found)
    return person, agent


def test_found_by_a_misspelt_word_read_and_deployed_as_own_copy(
    window: Open, author: tuple[Person, dict[str, Any]]
) -> None:
    person, agent = author
    visitor = window()
    page = visitor.page
    visitor.go("/marketplace")
    page.keyboard.press("/")
    page.keyboard.type("postcrad greetr")
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("heading", level=1, name=NAME).wait_for()
    expect(page.get_by_role("heading", level=3, name="Greeting cards")).to_be_visible()
    page.get_by_role("link", name="Usage").click()
    expect(page.get_by_text("Ask for it.")).to_be_visible()
    page.get_by_label("Search the documentation").fill("grete tool")
    expect(page.get_by_role("list", name="Found in the documentation")).to_be_visible()
    assert visitor.violations() == []
    page.get_by_role("link", name="Reference: greet").click()
    expect(page.get_by_role("heading", name="Tools")).to_be_visible()
    expect(page.get_by_text("Will greet")).to_be_visible()
    assert visitor.violations() == []

    # A page for people who have signed in asks whether this browser has: it has not.
    visitor.tolerate(r"401 .*/auth/refresh")
    page.get_by_role("link", name="Deploy my own copy").click()
    page.wait_for_url("**/sign-in?return_to=*")
    visitor.sign_in("copier@example.org", to=f"/marketplace/{SLUG}/copy")
    page.get_by_role("button", name="Deploy my copy").click()
    expect(page.get_by_text("The agent does not start without it.")).to_be_visible()
    assert visitor.violations() == []
    page.get_by_label("GREETING").fill("Ahoy")
    page.get_by_role("button", name="Deploy my copy").click()
    page.wait_for_url(re.compile(r"/agents/agt_\w+/deployments/dep_"))
    page.get_by_role("button", name=re.compile("^Live.*done")).wait_for()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open").click()
    expect(opened.value.locator("body")).to_contain_text("Ahoy")
    copy = page.url.split("/deployments/")[0]

    visitor.go(f"/marketplace/{SLUG}")
    page.get_by_role("radio", name="4 stars, Very good").press("Space")
    page.get_by_label("What you found").fill("It greets <b>well</b>.")
    page.get_by_role("button", name="Publish my review").click()
    expect(page.get_by_role("article")).to_contain_text("It greets <b>well</b>.")
    assert visitor.violations() == []

    publish(person, agent["id"], source("1.1.0", SECOND))
    page.goto(copy)
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("table", name="Tools")).to_contain_text("Will sign")
    page.get_by_label("SIGNATURE").fill("Ada")
    assert visitor.violations() == []
    page.get_by_role("button", name="Take it over and deploy").click()
    page.wait_for_url(re.compile(r"/deployments/dep_"))
    page.get_by_role("button", name=re.compile("^Live.*done")).wait_for()


def test_a_listing_is_written_and_says_what_is_missing(
    window: Open, author: tuple[Person, dict[str, Any]]
) -> None:
    person, _ = author
    bare = person.create("/agents", {"name": "Unfinished"})
    visitor = window()
    visitor.sign_in(person.email)
    page = visitor.page
    visitor.go(f"/agents/{bare['id']}/listing")
    expect(page.get_by_role("button", name="Publish", exact=True)).to_be_disabled()
    page.get_by_label("Summary").fill("Does something useful for everybody")
    page.get_by_label("Tags").fill("Tide table, sea")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Tags")).to_have_value("tide-table, sea")
    expect(page.get_by_text("The listing says what it does: met")).to_be_visible()
    assert visitor.violations() == []


DRAWN = """async (images) => {
  await Promise.all(images.map((image) => image.decode()));
  return images.map((image) => image.naturalWidth);
}"""


def test_pictures_are_chosen_by_the_author_and_seen_by_everybody(
    window: Open, author: tuple[Person, dict[str, Any]]
) -> None:
    person, agent = author
    visitor = window()
    visitor.sign_in(person.email)
    page = visitor.page
    visitor.go(f"/agents/{agent['id']}/listing")
    for label, sent, said in (
        ("Choose an icon", picture(900, 600), "Icon changed"),
        ("Add a screenshot", picture(1800, 900, "JPEG"), "Screenshot added"),
    ):
        chosen = FilePayload(name="chosen", mimeType="image/png", buffer=base64.b64decode(sent))
        page.get_by_label(label).and_(page.locator("input")).set_input_files([chosen])
        page.get_by_text(said).first.wait_for()
    page.get_by_label("What screenshot 1 shows").fill("A postcard")
    page.get_by_label("What screenshot 1 shows").press("Tab")
    page.get_by_text("Screenshots changed").first.wait_for()
    assert visitor.violations() == []
    drawn = page.get_by_role("img", name=re.compile("icon|postcard")).evaluate_all(DRAWN)
    assert drawn == [512, 1600], "as the browser made them: a square, and no wider than is shown"

    reader = window(width=360)
    reader.go(f"/marketplace/{SLUG}")
    shot = reader.page.get_by_role("img", name="A postcard")
    shot.click()
    expect(reader.page.get_by_role("dialog", name="A postcard")).to_be_visible()
    assert reader.violations() == []
    assert reader.page.locator("img").evaluate_all(DRAWN)


def test_a_secret_link_is_made_opened_by_a_stranger_and_ended(
    window: Open, author: tuple[Person, dict[str, Any]]
) -> None:
    person, _ = author
    hidden = person.create("/agents", {"name": "Hidden greeter"})
    version = person.upload(hidden["id"], "agent.zip", source("1.0.0", FIRST), deploy=False)
    assert person.wait_for_version(hidden["id"], version["id"], 90)["state"] == "ready"
    visitor = window()
    visitor.sign_in(person.email)
    page = visitor.page
    visitor.go(f"/agents/{hidden['id']}/listing")
    page.get_by_role("button", name="Share", exact=True).click()
    dialog = page.get_by_role("dialog", name="Share this agent")
    assert visitor.violations() == []
    dialog.get_by_role("button", name="Share", exact=True).click()
    link = page.get_by_role("dialog", name="The link is made").locator("code").inner_text()
    page.get_by_role("button", name="Done").click()

    stranger = window()
    stranger.page.goto(link)
    stranger.page.get_by_role("heading", level=1, name="Hidden greeter").wait_for()
    expect(stranger.page.get_by_text("whoever holds this link")).to_be_visible()
    stranger.page.get_by_role("link", name="Reference").click()
    expect(stranger.page.get_by_text("Will greet")).to_be_visible()
    assert stranger.violations() == []
    stranger.tolerate(r"401 .*/auth/refresh")
    stranger.page.get_by_role("link", name="Deploy my own copy").click()
    stranger.page.wait_for_url("**/sign-in?return_to=*")
    stranger.sign_in("link-holder@example.org", to="/shared/copy")
    stranger.page.get_by_label("GREETING").fill("Psst")
    stranger.page.get_by_role("button", name="Deploy my copy").click()
    stranger.page.get_by_role("button", name=re.compile("^Live.*done")).wait_for()

    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("It is shared with nobody else.")).to_be_visible()
    late = window()
    late.tolerate("404")
    late.page.goto(link)
    expect(late.page.get_by_text("Nothing is shared under this address")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.usefixtures("author")
def test_its_pages_are_accessible_and_fit(window: Open, theme: str, width: int) -> None:
    visitor = window(width=width, theme=theme, calm=True)
    visitor.tolerate("404")
    for path in (
        "/marketplace",
        "/marketplace?view=list",
        "/marketplace?q=zzzzqqqq",
        f"/marketplace/{SLUG}",
        "/marketplace/nonesuch",
    ):
        visitor.go(path)
        visitor.page.wait_for_load_state("networkidle")
        assert visitor.violations() == [], path
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
