"""Links in images: nothing that they lead to outside is served, copied, written or bound."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.local.yard.bundles import Bundle, PullFailed
from infra.local.yard.layers import BadLayer, Layer, unpack
from infra.local.yard.site import Site, open_file

PAGE = {"accept": "text/html"}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of the host's that no image may reach."""
    folder = tmp_path / "secret"
    folder.mkdir()
    (folder / "index.html").write_text("no")
    return folder


def layer(root: Path, links: Mapping[str, Path | str], *files: str) -> Layer:
    """An unpacked layer with links and files."""
    (root / "app").mkdir(parents=True, exist_ok=True)
    for name in (*links, *files):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
    for name, target in links.items():
        (root / name).symlink_to(target)
    for name in files:
        (root / name).write_text(name)
    return Layer(root, (), has_app=True, size=0)


def bundle(*layers: Layer, static_dir: str = "/app/dist") -> Bundle:
    labels = {"slipway.static_dir": static_dir}
    return Bundle("image", "sha256:0", (), {}, "/app", labels, (), layers)


def tar(path: Path, links: Mapping[str, str]) -> str:
    """Writes a layer blob with nothing but links; returns its digest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    path.write_bytes(out.getvalue())
    return f"sha256:{hashlib.sha256(out.getvalue()).hexdigest()}"


class TestSites:
    def test_no_name_that_a_site_looks_for_may_be_a_link_out_of_it(
        self, tmp_path: Path, secret: Path
    ) -> None:
        root = tmp_path / "site"
        names = ("index.html", "404.html", "leak.html", "sub/index.html")
        (root / "sub").mkdir(parents=True)
        for name in names:
            (root / name).symlink_to(secret / "index.html")
        (root / "folder").symlink_to(secret)
        (root / "circle").symlink_to("circle")
        (root / "env.html").symlink_to(".env")
        (root / ".env").write_text("no")
        site = Site(root, single_page=True)
        for path in ("/", "/index.html", "/leak", "/leak.html", "/sub/", "/sub", "/folder/",
                     "/folder/index.html", "/circle", "/env", "/some/route"):  # fmt: skip
            answer = site.answer("GET", path, PAGE)
            assert answer.status == 404, path
            assert answer.file is None
            assert answer.body != b"no"

    def test_links_inside_a_site_are_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real.html").write_text("yes")
        (tmp_path / "index.html").symlink_to("real.html")
        found = Site(tmp_path, single_page=False).answer("GET", "/", {})
        assert found.file is not None
        with open_file(found.file) as file:
            assert file.read() == b"yes"

    def test_a_file_that_became_a_link_is_not_opened(self, tmp_path: Path, secret: Path) -> None:
        (tmp_path / "page.html").symlink_to(secret / "index.html")
        with pytest.raises(OSError, match="symbolic links"):
            open_file(tmp_path / "page.html")

    def test_a_site_whose_folder_is_elsewhere_is_refused(
        self, tmp_path: Path, secret: Path
    ) -> None:
        first = layer(tmp_path / "0", {"app/dist": secret})
        with pytest.raises(PullFailed, match="leads out of the app"):
            bundle(first).site_root()
        both = bundle(first, layer(tmp_path / "1", {}, "app/more"))
        both.lay_out(tmp_path / "laid-out")
        with pytest.raises(PullFailed, match="leads out of the app"):
            both.site_in(tmp_path / "laid-out")

    def test_a_site_whose_app_is_elsewhere_is_refused(self, tmp_path: Path, secret: Path) -> None:
        (tmp_path / "layer").mkdir()
        (tmp_path / "layer/app").symlink_to(secret)
        with pytest.raises(PullFailed, match="leads out of the app"):
            bundle(Layer(tmp_path / "layer", (), True, 0), static_dir="/app").site_root()


class TestLayers:
    @pytest.mark.parametrize("name", ["app", "etc", "usr/lib"])
    def test_what_is_copied_or_bound_as_a_whole_is_no_link(self, tmp_path: Path, name: str) -> None:
        digest = tar(tmp_path / "blob", {name: "/"})
        with pytest.raises(BadLayer, match="is a link"):
            unpack(tmp_path / "blob", digest, tmp_path / "layer")
        assert not (tmp_path / "layer").exists()

    @pytest.mark.parametrize("later", ["app/x", "app/x/y"])
    def test_a_layer_writes_through_no_link_of_an_earlier_one(
        self, tmp_path: Path, secret: Path, later: str
    ) -> None:
        target = secret / "index.html" if later == "app/x" else secret
        one = bundle(
            layer(tmp_path / "0", {"app/x": target}),
            layer(tmp_path / "1", {}, later),
        )
        with pytest.raises(PullFailed, match="x is a link in an earlier layer"):
            one.lay_out(tmp_path / "laid-out")
        assert [path.read_text() for path in secret.iterdir()] == ["no"]
        assert not (tmp_path / "laid-out").exists()

    def test_a_mount_point_is_made_through_no_link(self, tmp_path: Path, secret: Path) -> None:
        first = layer(tmp_path / "0", {"app/sub": secret})
        second = Layer(tmp_path / "1", ("app/sub/node_modules",), has_app=False, size=0)
        with pytest.raises(PullFailed, match="where there is a link"):
            bundle(first, second).lay_out(tmp_path / "laid-out")
        assert not (secret / "node_modules").exists()
