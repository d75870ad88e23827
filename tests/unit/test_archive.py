"""What may come in as a source, and what is refused before a byte of it is written."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.archive import Archive, ArchiveRejected, Limits, open_archive

TarMode = Literal["w", "w:gz", "w:bz2", "w:xz"]
Make = Callable[[Path, dict[str, bytes]], Path]
FILES = {"app.py": b"print('hi')\n", "web/index.html": b"<h1>hi</h1>"}


def make_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: TarMode = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return path


def zip_with(path: Path, *infos: zipfile.ZipInfo, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("app.py", b"ok")
        for info in infos:
            archive.writestr(info, data)
    return path


def tar_with(path: Path, *infos: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("app.py"), io.BytesIO())
        for info in infos:
            archive.addfile(info, io.BytesIO(b"\0" * info.size))
    return path


def codes(path: Path, limits: Limits | None = None) -> list[str]:
    with pytest.raises(ArchiveRejected) as caught:
        open_archive(path, path.name, limits)
    for finding in caught.value.findings:
        assert finding.level == "error"
        assert len(finding.detail) > 20
    return [finding.code for finding in caught.value.findings]


def unpacked(archive: Archive, dest: Path) -> dict[str, bytes]:
    archive.extract(dest)
    return {
        str(path.relative_to(dest)): path.read_bytes() for path in dest.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("mode", ["zip", "w:gz", "w"])
def test_an_honest_archive_is_read_and_unpacked(
    tmp_path: Path, mode: TarMode | Literal["zip"]
) -> None:
    path = tmp_path / "upload"
    if mode == "zip":
        make_zip(path, FILES)
    else:
        make_tar(path, FILES, mode)
    archive = open_archive(path, "whatever.rar")
    assert list(archive.names()) == ["app.py", "web/index.html"]
    assert archive.read("app.py") == FILES["app.py"]
    assert archive.read("web/index.html", 4) == b"<h1>"
    assert archive.file_count == 2
    assert archive.unpacked_size == sum(map(len, FILES.values()))
    assert archive.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert archive.top == ""
    assert unpacked(archive, tmp_path / "out") == FILES
    with pytest.raises(KeyError):
        archive.read("no-such-file")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_one_common_top_folder_is_taken_off(tmp_path: Path, make: Make) -> None:
    path = make(tmp_path / "a", {f"repo-1a2b/{name}": data for name, data in FILES.items()})
    archive = open_archive(path, "a")
    assert archive.top == "repo-1a2b/"
    assert unpacked(archive, tmp_path / "out") == FILES


def test_a_package_is_not_unwrapped(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"bot/__init__.py": b"", "bot/__main__.py": b""})
    assert open_archive(path, "a.zip").top == ""


def test_a_loose_file_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("<h1>é</h1>" * 2000)
    archive = open_archive(path, "C:\\Users\\me\\index.html")
    assert list(archive.names()) == ["index.html"]
    assert unpacked(archive, tmp_path / "out")["index.html"] == path.read_bytes()


def test_modes_are_made_plain(tmp_path: Path) -> None:
    info = tarfile.TarInfo("run.sh")
    info.mode = 0o6777
    archive = open_archive(tar_with(tmp_path / "a", info), "a")
    archive.extract(tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out/app.py").stat().st_mode) == 0o644


def test_dependencies_and_history_are_left_out_and_said(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "a.zip",
        {"app.py": b"", ".git/HEAD": b"", "web/node_modules/x/i.js": b"", "__MACOSX/._app.py": b""},
    )
    archive = open_archive(path, "a.zip")
    assert list(archive.names()) == ["app.py"]
    assert archive.findings[0].level == "info"
    assert "node_modules" in archive.findings[0].detail


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../evil", "archive_path"),
        ("a/../../evil", "archive_path"),
        ("/etc/passwd", "archive_path"),
        ("C:/evil", "archive_path"),
        ("a\\b", "archive_path"),
        ("a\nb", "archive_path"),
        ("a/" * 40 + "b", "archive_too_deep"),
        ("x" * 300, "archive_path"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, code: str) -> None:
    assert codes(zip_with(tmp_path / "a.zip", zipfile.ZipInfo(name))) == [code]
    assert codes(tar_with(tmp_path / "a.tgz", tarfile.TarInfo(name))) == [code]


def test_a_nul_in_a_zip_name_is_refused(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "a.zip", zipfile.ZipInfo("evilXtxt"))
    path.write_bytes(path.read_bytes().replace(b"evilXtxt", b"evil\0txt"))
    assert codes(path) == ["archive_path"]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    infos = [zipfile.ZipInfo(name) for name in ("/a", "../b", "c\\d")]
    assert codes(zip_with(tmp_path / "a.zip", *infos)) == ["archive_path"] * 3


def test_links_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert codes(zip_with(tmp_path / "a.zip", info, data=b"/etc/passwd")) == ["archive_link"]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        link = tarfile.TarInfo("link")
        link.type, link.linkname = kind, "/etc/passwd"
        assert codes(tar_with(tmp_path / "a.tgz", link)) == ["archive_link"]


def test_devices_and_pipes_are_refused(tmp_path: Path) -> None:
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo("dev")
        info.type = kind
        assert codes(tar_with(tmp_path / "a.tgz", info)) == ["archive_device"]
    member = zipfile.ZipInfo("pipe")
    member.external_attr = (stat.S_IFIFO | 0o777) << 16
    assert codes(zip_with(tmp_path / "a.zip", member)) == ["archive_device"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    assert codes(zip_with(tmp_path / "a.zip", zipfile.ZipInfo("./app.py"))) == ["archive_duplicate"]
    assert codes(zip_with(tmp_path / "b.zip", zipfile.ZipInfo("app.py/x"))) == ["archive_duplicate"]
    assert codes(tar_with(tmp_path / "a.tgz", tarfile.TarInfo("app.py"))) == ["archive_duplicate"]


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "a.zip", zipfile.ZipInfo("cafX.txt"))
    path.write_bytes(path.read_bytes().replace(b"cafX.txt", b"caf\xe9.txt"))
    assert codes(path) == ["archive_name_encoding"]
    flagged = zip_with(tmp_path / "b.zip", zipfile.ZipInfo("caféé.txt"))
    flagged.write_bytes(flagged.read_bytes().replace("caféé".encode(), b"caf\xe9\xe9\xe9\xe9"))
    assert codes(flagged) == ["archive_name_encoding"]
    with tarfile.open(
        tmp_path / "a.tgz", "w:gz", encoding="latin-1", format=tarfile.GNU_FORMAT
    ) as tar:
        tar.addfile(tarfile.TarInfo("café.txt"), io.BytesIO())
    assert codes(tmp_path / "a.tgz") == ["archive_name_encoding"]


def test_utf8_names_without_the_flag_are_understood(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "a.zip", zipfile.ZipInfo("cafXX.txt"))
    path.write_bytes(path.read_bytes().replace(b"cafXX.txt", "café.txt".encode()))
    assert "café.txt" in open_archive(path, "a.zip").names()


def test_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data, code in (
        (b"", "archive_empty"),
        (b"7z\xbc\xaf\x27\x1c....", "archive_kind"),
        (b"\x7fELF\x02\x01", "archive_kind"),
        (b"some\0binary", "archive_kind"),
        (b"\xff\xfe\xfa text", "archive_kind"),
        (gzip.compress(b"no tar in here"), "archive_kind"),
        (b"PK\x03\x04 and nothing more", "archive_corrupt"),
    ):
        path.write_bytes(data)
        assert codes(path) == [code], data
    assert codes(make_zip(path, {})) == ["archive_empty"]
    assert codes(make_zip(path, {"folder/": b""})) == ["archive_empty"]
    assert codes(make_tar(path, {})) == ["archive_empty"]
    assert codes(make_zip(path, {".git/HEAD": b"x"})) == ["archive_empty"]


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a": b"1"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert codes(path) == ["archive_encrypted"]


def test_another_packing_method_is_refused(tmp_path: Path) -> None:
    assert codes(make_zip(tmp_path / "a.zip", FILES, zipfile.ZIP_LZMA)) == ["archive_kind"]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    zeros = b"\0" * 30_000_000
    assert codes(make_zip(tmp_path / "a.zip", {"zeros": zeros})) == ["archive_bomb"]
    assert codes(make_tar(tmp_path / "a.tgz", {"zeros": zeros})) == ["archive_bomb"]


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {f"f{n}": bytes(range(256)) * 40 for n in range(9)})
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    out, at = bytearray(data), start
    while out[at : at + 4] == b"PK\x01\x02":
        struct.pack_into("<L", out, at + 20, len(data))
        at += 46 + struct.unpack_from("<H", out, at + 28)[0]
    path.write_bytes(out)
    assert codes(path) == ["archive_bomb"]


def test_sizes_beyond_the_limits_are_refused(tmp_path: Path) -> None:
    limits = Limits(packed=5000, unpacked=9000, files=5)
    noise = zlib.compress(str(range(999)).encode()) * 40
    assert codes(make_zip(tmp_path / "a", {"a": noise * 9}, zipfile.ZIP_STORED), limits) == [
        "archive_too_large"
    ]
    small = Limits(packed=99_000, unpacked=900)
    for make in (make_zip, make_tar):
        assert codes(make(tmp_path / "b", {"a": b"ab" * 999}), small) == ["archive_too_large"]
        assert codes(make(tmp_path / "c", {str(n): b"" for n in range(6)}), limits) == [
            "archive_too_many_files"
        ]


def lying_zip(path: Path) -> Path:
    """A member whose headers state half of what it holds."""
    make_zip(path, {"a.txt": b"0123456789" * 100})
    data = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", data, data.index(magic) + offset, 500)
    path.write_bytes(data)
    return path


def test_a_lying_header_never_yields_more_than_it_states(tmp_path: Path) -> None:
    archive = open_archive(lying_zip(tmp_path / "a.zip"), "a.zip")
    with pytest.raises(ArchiveRejected) as caught:
        archive.extract(tmp_path / "out")
    assert caught.value.findings[0].code == "archive_corrupt"
    with pytest.raises(ArchiveRejected):
        archive.read("a.txt")


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_cut_archive_is_corrupt(tmp_path: Path, make: Make) -> None:
    data = make(tmp_path / "a", {**FILES, "noise": bytes(range(256)) * 64}).read_bytes()
    path = tmp_path / "b"
    for part in (0.2, 0.5, 0.9):
        path.write_bytes(data[: int(len(data) * part)])
        assert codes(path) == ["archive_corrupt"]


def test_a_damaged_tar_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {"a": b"x", "b": b"y"}, "w")
    data = bytearray(path.read_bytes())
    data[1024:1030] = b"broken"
    path.write_bytes(data)
    assert codes(path) == ["archive_corrupt"]


def test_a_damaged_gzip_sum_is_noticed(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tgz", FILES)
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF
    path.write_bytes(data)
    assert codes(path) == ["archive_corrupt"]


def test_a_long_listing_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(66_000):  # more than fit a count without the 64-bit records
            archive.writestr(zipfile.ZipInfo(f"f{number}"), b"")
    lying = tmp_path / "lying.zip"
    # Without the 64-bit records the counts of the short one are what a reader sees.
    data = bytearray(path.read_bytes())
    del data[data.rindex(b"PK\x06\x06") : data.rindex(b"PK\x05\x06")]
    struct.pack_into("<2H", data, data.rindex(b"PK\x05\x06") + 8, 10, 10)
    lying.write_bytes(data)
    tar = tmp_path / "many.tgz"
    make_tar(tar, {f"f{number}": b"" for number in range(Limits().entries + 1)}, "w:gz")
    for upload in (path, lying, tar):
        assert codes(upload) == ["archive_too_many_files"], upload


def test_unpacking_needs_an_empty_place_and_follows_no_link(tmp_path: Path) -> None:
    archive = open_archive(make_zip(tmp_path / "a.zip", FILES), "a.zip")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/app.py").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        archive.extract(tmp_path / "out")
    assert not (tmp_path / "victim").exists()


def test_a_huge_tar_header_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 400_000_000
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"a" * 2048)
    assert codes(path) == ["archive_corrupt"]


NAMES = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", "b", "..", ".", "", "/", "a/b", "a\\b", "C:", "é", "\x00", "\n", "a" * 256]
        ),
        st.text(max_size=8),
    ),
    min_size=1,
    max_size=4,
).map("/".join)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(files=st.dictionaries(NAMES, st.binary(max_size=40), max_size=5), packed=st.booleans())
def test_whatever_the_names_nothing_leaves_the_folder(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], packed: bool
) -> None:
    base = tmp_path_factory.mktemp("fuzz")
    path = base / "a"
    try:
        (make_tar if packed else make_zip)(path, files)
    except (ValueError, IndexError):
        return
    check_harmless(path, base)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.floats(0, 1),
    kind=st.sampled_from(["zip", "w:gz", "w"]),
)
def test_whatever_the_damage_it_is_a_verdict(
    tmp_path_factory: pytest.TempPathFactory,
    flips: list[tuple[float, int]],
    cut: float,
    kind: TarMode | Literal["zip"],
) -> None:
    base = tmp_path_factory.mktemp("fuzz")
    path = base / "a"
    files = {**FILES, "data.bin": bytes(range(256)) * 8}
    if kind == "zip":
        make_zip(path, files)
    else:
        make_tar(path, files, kind)
    data = bytearray(path.read_bytes())
    for place, value in flips:
        data[int(place * (len(data) - 1))] = value
    path.write_bytes(data[: int(len(data) * cut)] if cut < 0.3 else data)
    check_harmless(path, base)


def check_harmless(path: Path, base: Path) -> None:
    """Opening, reading and unpacking either work or end in a verdict; nothing lands elsewhere."""
    dest = base / "out/deep/er"
    try:
        archive = open_archive(path, "a")
        for name in archive.names():
            archive.read(name)
        archive.extract(dest)
    except ArchiveRejected:
        return
    found = {p.relative_to(base) for p in base.rglob("*") if not p.is_dir()}
    assert all(place.parts[:3] == ("out", "deep", "er") for place in found - {Path("a")})
    assert len(found) == archive.file_count + 1
    assert not any(p.is_symlink() for p in base.rglob("*"))
