"""Archives: what is written is read; what comes from outside and means harm, or is damaged, is refused."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stellwerk.cockpit.archives import ArchiveError, ArchiveFormat, Entry, Limits, read_archive, write_archive

ENTRIES = [
    Entry("nightly/LOAD.workflow.json", b'{"instructions":[]}'),
    Entry("nightly/Größe und Maß.lock.json", b'{"limit":1}'),
    Entry("meta_inf", b"{}"),
    Entry("empty", b""),
]
FORMATS = list(ArchiveFormat)
NOW_MS = 1_769_860_800_000


def packed(format: ArchiveFormat, *files: tuple[str, bytes]) -> bytes:
    """An archive of the standard library's making, with names as they are given."""
    target = io.BytesIO()
    if format is ArchiveFormat.ZIP:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files:
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for name, data in files:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return target.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_is_read(format: ArchiveFormat) -> None:
    data = write_archive(ENTRIES, format, modified_ms=NOW_MS)
    assert read_archive(data, format) == ENTRIES
    assert data == write_archive(ENTRIES, format, modified_ms=NOW_MS), "the same contents make the same archive"
    assert not data.startswith(b"{"), "the shell CLI takes this for an error (cockpit-api 2.1)"
    assert read_archive(write_archive([], format, modified_ms=0), format) == []


def test_archives_are_those_of_the_usual_programs(tmp_path: Path) -> None:
    if shutil.which("tar") is None:
        pytest.skip("no program tar on this machine")
    (tmp_path / "mine.tar.gz").write_bytes(write_archive(ENTRIES, ArchiveFormat.TAR_GZ, modified_ms=NOW_MS))
    subprocess.run(["tar", "xzf", "mine.tar.gz"], cwd=tmp_path, check=True)
    for entry in ENTRIES:
        assert (tmp_path / entry.name).read_bytes() == entry.data
    subprocess.run(["tar", "czf", "theirs.tar.gz", "./nightly", "./meta_inf"], cwd=tmp_path, check=True)
    read = read_archive((tmp_path / "theirs.tar.gz").read_bytes(), ArchiveFormat.TAR_GZ)
    assert sorted(read, key=lambda entry: entry.name) == sorted(ENTRIES[:3], key=lambda entry: entry.name)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["../up", "a/../../up", "a/..", "a//b", "a\\..\\up", "a\x07b", ".", "/etc/up"])
def test_names_that_lead_elsewhere_are_refused(format: ArchiveFormat, name: str) -> None:
    with pytest.raises(ArchiveError, match="name"):
        read_archive(packed(format, ("good", b"1"), (name, b"2")), format)
    with pytest.raises(ArchiveError, match="name"):
        write_archive([Entry(name, b"")], format, modified_ms=0)


@pytest.mark.parametrize("format", FORMATS)
def test_names_come_back_in_one_form_and_folders_are_left_out(format: ArchiveFormat) -> None:
    names = [entry.name for entry in read_archive(packed(format, ("./a/b", b"1"), ("c", b"2")), format)]
    assert names == ["a/b", "c"]
    target = io.BytesIO()
    if format is ArchiveFormat.ZIP:
        with zipfile.ZipFile(target, "w") as archive:
            archive.mkdir("folder")
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            folder = tarfile.TarInfo("folder")
            folder.type = tarfile.DIRTYPE
            tar.addfile(folder)
    assert read_archive(target.getvalue(), format) == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(format: ArchiveFormat) -> None:
    with pytest.raises(ArchiveError, match="'a' twice"):
        read_archive(packed(format, ("a", b"1"), ("./a", b"2")), format)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_special_files_in_tar_are_refused(kind: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(ArchiveError, match="'link' is a link or a special file"):
        read_archive(target.getvalue(), ArchiveFormat.TAR_GZ)


def test_links_in_zip_are_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ArchiveError, match="'link' is a link or a special file"):
        read_archive(target.getvalue(), ArchiveFormat.ZIP)


@pytest.mark.parametrize("format", FORMATS)
def test_limits_hold(format: ArchiveFormat) -> None:
    three = packed(format, ("a", b"x" * 100), ("b", b"x" * 100), ("c", b"x" * 100))
    assert len(read_archive(three, format, Limits(entries=3, entry_bytes=100, total_bytes=300))) == 3
    with pytest.raises(ArchiveError, match="more than 2 entries"):
        read_archive(three, format, Limits(entries=2))
    with pytest.raises(ArchiveError, match="'a' is larger than 99 bytes"):
        read_archive(three, format, Limits(entry_bytes=99))
    with pytest.raises(ArchiveError, match="refused at 'c'"):
        read_archive(three, format, Limits(total_bytes=299))


@pytest.mark.parametrize("format", FORMATS)
def test_a_small_archive_of_very_much_is_refused(format: ArchiveFormat) -> None:
    bomb = packed(format, *((f"zeros-{n}", bytes(8 << 20)) for n in range(8)))
    assert len(bomb) < 1 << 17
    with pytest.raises(ArchiveError, match="too many bytes"):
        read_archive(bomb, format)


def test_much_beside_the_entries_of_a_tar_is_refused() -> None:
    """A long header of a member is read into memory before the member is: the stream itself has a limit."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("small")
        member.pax_headers = {"comment": "x" * (32 << 20)}
        tar.addfile(member)
    with pytest.raises(ArchiveError, match="too many bytes"):
        read_archive(target.getvalue(), ArchiveFormat.TAR_GZ, Limits(entries=10))


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(packed(ArchiveFormat.ZIP, ("secret", b"1")))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ArchiveError, match="'secret' is encrypted"):
        read_archive(bytes(data), ArchiveFormat.ZIP)


def test_names_have_to_be_utf8() -> None:
    unmarked = packed(ArchiveFormat.ZIP, ("Xx.json", b"1"))
    # Without the flag that says so, as many tools write it.
    assert [entry.name for entry in read_archive(unmarked.replace(b"Xx", "ü".encode()), ArchiveFormat.ZIP)] == [
        "ü.json"
    ]
    with pytest.raises(ArchiveError, match="not UTF-8"):
        read_archive(unmarked.replace(b"Xx", b"\xfcx"), ArchiveFormat.ZIP)
    with pytest.raises(ArchiveError, match="not UTF-8"):
        read_archive(packed(ArchiveFormat.TAR_GZ, ("\udcfc.json", b"1")), ArchiveFormat.TAR_GZ)


def test_what_is_no_archive_is_refused_with_words() -> None:
    for data in (b"", b"{}", b"PK\x03\x04 nothing more", gzip.compress(b"no tar")):
        with pytest.raises(ArchiveError, match=r"no readable zip archive"):
            read_archive(data, ArchiveFormat.ZIP)
    for data in (b"{}", gzip.compress(b"no tar at all, but longer than nothing")):
        with pytest.raises(ArchiveError, match=r"no readable tar\.gz archive"):
            read_archive(data, ArchiveFormat.TAR_GZ)


def _cut(data: bytearray, source: random.Random) -> bytes:
    return bytes(data[: source.randrange(len(data))])


def _flipped(data: bytearray, source: random.Random) -> bytes:
    for _ in range(source.randint(1, 4)):
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("damage", [_cut, _flipped])
def test_damage_raises_nothing_but_archive_error(
    format: ArchiveFormat, damage: Callable[[bytearray, random.Random], bytes]
) -> None:
    whole = write_archive(ENTRIES, format, modified_ms=NOW_MS)
    source = random.Random(7)
    refused = 0
    for _ in range(400):
        try:
            read_archive(damage(bytearray(whole), source), format)
        except ArchiveError:
            refused += 1
    assert refused > 200, "most damage is noticed: both forms carry checksums of the contents"
