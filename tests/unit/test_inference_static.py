"""Sources that are served as they are."""

from __future__ import annotations

import pytest

from chalicelib.domain.inference import infer
from tests.unit.sources import Files, package, plan_of

BUILT = '<div id="root"></div><script type="module" src="/assets/i.js"></script>'


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ({"index.html": "<h1>"}, ""),
        ({"index.html": "<h1>", "script.js": "alert(1)", "style.css": "", "app.js": "x()"}, ""),
        ({"public/index.html": "", "README.md": ""}, "public"),
        ({"dist/index.html": "", "README.md": ""}, "dist"),
        ({"index.html": "", "package.json": package({"format": "prettier ."}, prettier="3")}, ""),
        ({"index.html": "", "package.json": package({"start": "live-server"})}, ""),
        ({"index.html": "", "make.py": "print(1)"}, ""),
        ({"index.html": "", "Dockerfile": "FROM nginx\nCOPY . /usr/share/nginx/html\n"}, ""),
    ],
)
def test_a_folder_of_files_is_served(files: dict[str, str], folder: str) -> None:
    plan = plan_of(files)
    assert (plan.runtime, plan.static_dir, plan.start_command) == ("static", folder, None)
    assert plan.installer == "none"
    assert not plan.single_page


def test_a_page_by_another_name_becomes_the_index() -> None:
    plan = plan_of({"my page.html": "<h1>"})
    assert (plan.static_dir, plan.build_command) == ("", "cp 'my page.html' index.html")


def test_a_built_front_end_is_one_page() -> None:
    assert plan_of({"index.html": BUILT, "assets/i.js": ""}).single_page
    assert not plan_of({"index.html": BUILT, "about.html": BUILT}).single_page


def test_the_manifest_names_the_folder() -> None:
    plan = plan_of({"web/index.html": ""}, {"runtime": "static", "build": {"output": "web"}})
    assert (plan.runtime, plan.static_dir) == ("static", "web")


def test_pages_without_an_index_are_a_question() -> None:
    result = infer(Files({"a.html": "", "b.html": ""}), {"runtime": "static"})
    assert [finding.code for finding in result.errors] == ["no_index"]
    assert "agent.yaml" in result.errors[0].detail


def test_a_start_command_is_not_used() -> None:
    result = infer(Files({"index.html": ""}), {"start": {"command": "make x"}})
    assert result.plan is not None
    assert [finding.code for finding in result.findings] == ["start_not_used"]
