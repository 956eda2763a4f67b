"""Archives: what is written can be read, what is hostile is refused (cockpit-api 1.9, 2.3; reliability 5.2)."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import tarfile
import time
import zipfile
from collections.abc import Callable

import pytest

from stellwerk.cockpit.inventory import archives
from stellwerk.cockpit.inventory.archives import ArchiveError, ArchiveFormat, read_archive, write_archive

NOW_MS = 1_769_860_800_000
FILES = {"meta_inf": b"{}", "a/Ä-ü.lock.json": b'{"limit":1}', "b/c/W.workflow.json": bytes(range(256)) * 50}


def zipped(
    *entries: tuple[str, bytes],
    change: Callable[[zipfile.ZipInfo], None] | None = None,
    level: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", level) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name, time.gmtime(1_700_000_000)[:6])
            info.compress_type = level
            if change is not None:
                change(info)
            archive.writestr(info, content)
    return target.getvalue()


def tarred(*members: tuple[str, bytes, bytes]) -> bytes:
    """(name, type, content) each."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@pytest.mark.parametrize("format_", ArchiveFormat)
def test_what_is_written_is_read(format_: ArchiveFormat) -> None:
    data = write_archive(FILES, format_, NOW_MS)
    assert not data.startswith(b"{")
    assert read_archive(data, format_) == FILES
    assert data == write_archive(FILES, format_, NOW_MS)


def test_other_tools_read_what_is_written(tmp_path: object) -> None:
    with zipfile.ZipFile(io.BytesIO(write_archive(FILES, ArchiveFormat.ZIP, NOW_MS))) as archive:
        assert archive.testzip() is None and archive.namelist() == list(FILES)
    with tarfile.open(fileobj=io.BytesIO(write_archive(FILES, ArchiveFormat.TAR_GZ, NOW_MS)), mode="r:gz") as tar:
        assert tar.getnames() == list(FILES)


@pytest.mark.parametrize(
    "name, text",
    [
        ("../W.workflow.json", "leads out"),
        ("a/../../W.workflow.json", "leads out"),
        ("/etc/W.workflow.json", "relative"),
        ("C:W.workflow.json", "relative"),
        ("a\\..\\W.workflow.json", "relative"),
        ("x" * 3000, "longer than"),
    ],
)
@pytest.mark.parametrize("format_", ArchiveFormat)
def test_names_that_lead_elsewhere_are_refused(format_: ArchiveFormat, name: str, text: str) -> None:
    data = zipped((name, b"{}")) if format_ == ArchiveFormat.ZIP else tarred((name, tarfile.REGTYPE, b"{}"))
    with pytest.raises(ArchiveError, match=text) as raised:
        read_archive(data, format_)
    assert raised.value.code == "JOC-417" and name[:10] in raised.value.message


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"W\.workflow\.json: links and devices"):
        read_archive(tarred(("W.workflow.json", kind, b"")), ArchiveFormat.TAR_GZ)


def test_a_link_in_a_zip_is_refused() -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = 0o120777 << 16

    with pytest.raises(ArchiveError, match=r"W\.lock\.json: links and devices"):
        read_archive(zipped(("W.lock.json", b"/etc/passwd"), change=link), ArchiveFormat.ZIP)


@pytest.mark.parametrize("format_", ArchiveFormat)
def test_doubled_names_are_refused_however_they_are_written(format_: ArchiveFormat) -> None:
    names = ("a/W.lock.json", "a/./W.lock.json")
    if format_ == ArchiveFormat.ZIP:
        data = zipped(*((name, b"{}") for name in names))
    else:
        data = tarred(*((name, tarfile.REGTYPE, b"{}") for name in names))
    with pytest.raises(ArchiveError, match=r"a/W\.lock\.json: the archive has two entries"):
        read_archive(data, format_)


def test_a_leading_dot_is_no_folder() -> None:
    data = tarred((".", tarfile.DIRTYPE, b""), ("./a/W.lock.json", tarfile.REGTYPE, b"{}"))
    assert read_archive(data, ArchiveFormat.TAR_GZ) == {"a/W.lock.json": b"{}"}


def test_a_bomb_is_refused_before_it_explodes() -> None:
    zeros = bytes(30 << 20)
    for data, format_ in (
        (zipped(("bomb.lock.json", zeros)), ArchiveFormat.ZIP),
        (tarred(("bomb.lock.json", tarfile.REGTYPE, zeros)), ArchiveFormat.TAR_GZ),
        (gzip.compress(_extended_header(100 << 20), 9), ArchiveFormat.TAR_GZ),
    ):
        with pytest.raises(ArchiveError, match="unpacks to more than") as raised:
            read_archive(data, format_)
        assert raised.value.code == "JOC-417"


def _extended_header(size: int) -> bytes:
    """A tar whose content lies in what describes an entry."""
    member = tarfile.TarInfo("described")
    member.type, member.size = tarfile.XHDTYPE, size
    return member.tobuf() + bytes(size)


def test_a_large_entry_and_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAXIMUM_ENTRY_BYTES", 1000)
    monkeypatch.setattr(archives, "MAXIMUM_ENTRIES", 3)
    noise = random.Random(1).randbytes(1001)
    for make, format_ in ((zipped, ArchiveFormat.ZIP), (_regular, ArchiveFormat.TAR_GZ)):
        with pytest.raises(ArchiveError, match="large: the entry is larger than 1000 bytes"):
            read_archive(make(("large", noise)), format_)
        with pytest.raises(ArchiveError, match="more than 3 entries"):
            read_archive(make(*((f"e{number}", b"") for number in range(4))), format_)


def _regular(*entries: tuple[str, bytes]) -> bytes:
    return tarred(*((name, tarfile.REGTYPE, content) for name, content in entries))


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(zipped(("W.lock.json", b"{}")))
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    data[6] |= 1
    with pytest.raises(ArchiveError, match=r"W\.lock\.json: encrypted"):
        read_archive(bytes(data), ArchiveFormat.ZIP)


def test_names_have_to_be_utf8() -> None:
    # Without the flag, but UTF-8 all the same: as many tools write it.
    data = zipped(("Xx.lock.json", b"{}")).replace(b"Xx", "ü".encode())
    assert list(read_archive(data, ArchiveFormat.ZIP)) == ["ü.lock.json"]
    with pytest.raises(ArchiveError, match="UTF-8"):
        read_archive(zipped(("Xx.lock.json", b"{}")).replace(b"Xx", b"\xfcx"), ArchiveFormat.ZIP)
    with pytest.raises(ArchiveError, match="UTF-8"):
        read_archive(tarred(("\udcfc.lock.json", tarfile.REGTYPE, b"{}")), ArchiveFormat.TAR_GZ)


@pytest.mark.parametrize("format_", ArchiveFormat)
def test_a_file_that_is_no_archive_is_refused(format_: ArchiveFormat) -> None:
    sound = write_archive(FILES, format_, NOW_MS)
    for data in (b"", b"{}", b"PK\x03\x04", sound[: len(sound) // 2]):
        with pytest.raises(ArchiveError) as raised:
            read_archive(data, format_)
        assert raised.value.code == "JOC-415", raised.value.message


@pytest.mark.parametrize("format_", ArchiveFormat)
def test_damaged_archives_are_read_or_refused_and_nothing_else(format_: ArchiveFormat) -> None:
    sound = write_archive(FILES, format_, NOW_MS)
    generator = random.Random(7)
    for _ in range(2000):
        damaged = bytearray(sound)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        with contextlib.suppress(ArchiveError):
            read_archive(bytes(damaged), format_)


def test_the_format_follows_from_the_name_if_it_is_not_given() -> None:
    assert ArchiveFormat.of(None, "x.tar.gz") == ArchiveFormat.TAR_GZ
    assert ArchiveFormat.of("", "x.zip") == ArchiveFormat.ZIP
    with pytest.raises(ArchiveError, match="RAR") as raised:
        ArchiveFormat.of("RAR", "x.zip")
    assert raised.value.code == "JOC-415"
