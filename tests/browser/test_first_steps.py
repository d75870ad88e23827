"""From the first page to a live agent, from a template and from a folder; and what stops one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Open
from tests.browser.visitor import Visitor

PAGE = "<!doctype html><title>Hello</title><h1>Hello from {name}</h1>"
LIVE = re.compile(" is live$")


def drop_folder(visitor: Visitor, folder: Path) -> None:
    visitor.page.get_by_test_id("folder").set_input_files(folder)


def launch(visitor: Visitor) -> str:
    """Confirm, and wait until it is live; its address."""
    visitor.click("button", "Launch", exact=True)
    link = visitor.page.get_by_role("link", name="Open it")
    link.wait_for()
    return str(link.get_attribute("href"))


def test_from_the_first_page_to_a_live_agent_in_eight_clicks_and_a_minute(
    window: Open, record_property: Callable[[str, object], None]
) -> None:
    visitor = window()
    began = time.monotonic()
    visitor.email = f"first-{time.time_ns()}@example.org"
    visitor.go("/")
    visitor.click("link", "Launch an agent")
    visitor.page.get_by_label("Email").fill(visitor.email)
    visitor.click("button", "Send me a link")
    visitor.click("link", "Open the local mailbox")
    # The mail is there within moments; the mailbox looks again by itself.
    mail = visitor.page.locator("article", has_text=visitor.email).get_by_role("link").first
    mail.wait_for()
    visitor.clicks += 1
    mail.click()
    visitor.click("button", "Sign in")
    visitor.click("button", re.compile("Prompt bench"))
    visitor.page.get_by_text("Start command").or_(
        visitor.page.get_by_text("Folder that is served")
    ).first.wait_for()
    url = launch(visitor)
    assert httpx.get(url).status_code == 200
    seconds = time.monotonic() - began
    record_property("seconds", round(seconds, 1))
    print(f"From the first page to a live agent: {seconds:.1f} s, {visitor.clicks} clicks")
    assert seconds < 60, "what the web app promises; a slow machine takes a third of it"
    assert visitor.clicks + 1 <= 8  # and one more opens it
    with visitor.context.expect_page() as opened:
        visitor.click("link", "Open it")
    opened.value.get_by_role("heading").first.wait_for()


def test_a_dropped_folder_goes_live_without_what_should_stay_at_home(
    person: Visitor, tmp_path: Path
) -> None:
    source = tmp_path / "grüße 世界"
    (source / "node_modules" / "left").mkdir(parents=True)
    (source / "node_modules" / "left" / "index.js").write_text("throw 1")
    (source / "sub").mkdir()
    (source / "requirements.txt").write_text("fastapi\nuvicorn\n")
    (source / "main.py").write_text(
        "import os\nfrom pathlib import Path\nfrom fastapi import FastAPI\n"
        "app = FastAPI()\nGREETING = os.environ['GREETING_KEY']\n"
        "@app.get('/')\ndef root():\n"
        "    files = sorted(str(p) for p in Path('.').rglob('*') if p.is_file()\n"
        "                   and '.venv' not in p.parts and '__pycache__' not in p.parts)\n"
        "    return {'greeting': GREETING, 'files': files}\n"
    )
    (source / ".env").write_text("GREETING_KEY='moin \"all\"'\n")
    (source / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    (source / "debug.log").write_text("x")
    (source / "keep.log").write_text("x")
    (source / "sub" / ".gitignore").write_text("secret.txt\n")
    (source / "sub" / "secret.txt").write_text("x")
    (source / "sub" / "données.txt").write_text("x")
    (source / "build").mkdir()
    (source / "build" / "out.bin").write_bytes(b"\0" * 1000)

    person.click("link", "Deploy", exact=True)
    drop_folder(person, source)
    page = person.page
    page.get_by_role("button", name="Launch", exact=True).wait_for()
    expect(page.get_by_label("Name")).to_have_value("Grüße 世界")
    expect(page.get_by_text(re.compile(r"From .*main\.py")).first).to_be_visible()
    expect(page.get_by_text("The values of .env are filled in as variables.")).to_be_visible()
    expect(page.get_by_label("GREETING_KEY")).to_have_value('moin "all"')
    url = launch(person)
    told = httpx.get(url).json()
    assert told["greeting"] == 'moin "all"'
    assert {".gitignore", "keep.log", "main.py", "sub/données.txt"} <= set(told["files"])
    assert not {f for f in told["files"] if "node_modules" in f or "secret" in f or ".env" in f}
    assert "debug.log" not in told["files"]
    assert "build/out.bin" not in told["files"]


def test_a_build_that_fails_says_what_to_change_and_the_mended_source_goes_live(
    person: Visitor, tmp_path: Path
) -> None:
    source = tmp_path / "weather"
    source.mkdir()
    (source / "requirements.txt").write_text("fastapi\nuvicorn\n")
    (source / "main.py").write_text("from fastapi import FastAPI\nimport httpx2\napp = FastAPI()\n")
    person.click("link", "Deploy", exact=True)
    drop_folder(person, source)
    person.click("button", "Launch", exact=True)
    page = person.page
    page.get_by_role("heading", name="It did not go live").wait_for()
    expect(page.get_by_text(re.compile("httpx2")).first).to_be_visible()
    expect(page.locator("li", has_text="failed").first).to_be_visible()

    (source / "main.py").write_text(
        "from fastapi import FastAPI\napp = FastAPI()\n"
        "@app.get('/')\ndef root(): return {'ok': True}\n"
    )
    person.click("link", "Upload a fixed source")
    drop_folder(person, source)
    url = launch(person)
    assert httpx.get(url).json() == {"ok": True}


def test_of_several_apps_in_a_folder_the_chosen_one_goes_live(
    person: Visitor, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / "both" / name).mkdir(parents=True)
        (tmp_path / "both" / name / "index.html").write_text(PAGE.format(name=name))
    person.click("link", "Deploy", exact=True)
    drop_folder(person, tmp_path / "both")
    person.page.get_by_role("heading", name="Which of these is it?").wait_for()
    person.click("button", "two", exact=True)
    url = launch(person)
    assert "Hello from two" in httpx.get(url).text


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.zip", b"", "empty.zip is empty"),
        ("notes.pdf", b"%PDF-1.7", "notes.pdf cannot be read as a source"),
        (".env", b"A=1", "There is nothing in it to deploy"),
    ],
)
def test_what_is_no_source_is_refused_before_anything_is_sent(
    person: Visitor, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    person.click("link", "Deploy", exact=True)
    person.page.get_by_test_id("files").set_input_files(tmp_path / name)
    alert = person.page.get_by_role("alert")
    alert.wait_for()
    expect(alert).to_contain_text(says)
    person.click("button", "Choose something else")
    person.page.get_by_role("heading", name="Drop your agent here").wait_for()
    person.go("/agents")
    person.page.get_by_text("No agents yet").wait_for()


def test_a_folder_of_fifty_thousand_files_says_which_to_leave_out(
    person: Visitor, tmp_path: Path
) -> None:
    source = tmp_path / "huge"
    for folder, count in (("data", 48_000), ("cache", 2000)):
        (source / folder).mkdir(parents=True)
        for number in range(count):
            (source / folder / f"{number}.txt").touch()
    (source / "index.html").write_text(PAGE.format(name="huge"))
    person.click("link", "Deploy", exact=True)
    drop_folder(person, source)
    person.page.get_by_text("50,001 files are too many").wait_for()
    person.page.get_by_label("data").check()
    person.click("button", "Go on without these")
    person.page.get_by_role("button", name="Launch", exact=True).wait_for()
    expect(person.page.get_by_role("main")).to_contain_text("2,001 files")


def test_a_broken_line_is_waited_for_and_the_upload_goes_on(
    person: Visitor, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text(PAGE.format(name="site"))
    failures = 0

    def flaky(route: Route) -> None:
        nonlocal failures
        failures += 1
        if failures <= 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    person.tolerate("ERR_CONNECTION_RESET")
    person.page.route(re.compile("slipway-local-sources"), flaky)
    person.click("link", "Deploy", exact=True)
    drop_folder(person, tmp_path / "site")
    person.page.get_by_text("The connection broke").wait_for()
    person.page.get_by_role("button", name="Launch", exact=True).wait_for()
    assert failures == 3


def test_an_upload_that_is_cancelled_leaves_nothing_behind(person: Visitor, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text(PAGE.format(name="site"))
    person.page.route(re.compile("slipway-local-sources"), lambda _route: None)
    person.click("link", "Deploy", exact=True)
    drop_folder(person, tmp_path / "site")
    person.page.get_by_text("Uploading").wait_for()
    person.click("button", "Cancel")
    person.page.get_by_role("heading", name="Drop your agent here").wait_for()
    person.page.unroute_all(behavior="ignoreErrors")
    person.go("/agents")
    person.page.get_by_text("No agents yet").wait_for()
