"""Archives as bytes: ZIP and TAR_GZ, read with mistrust and written (cockpit-api 1.9, 2.3; reliability 5.2). Pure.

`read_archive` gives the files of an archive by their names, or refuses all of it with `ArchiveError`, which says which
entry is wrong and why: names that lead out of the archive, links and devices, doubled names, encryption, names that are
not UTF-8, and whatever unpacks to more than the limits.
"""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from stellwerk.cockpit.api.errors import ApiError

MAXIMUM_ENTRIES = 50_000
MAXIMUM_ENTRY_BYTES = 32 << 20
MAXIMUM_TOTAL_BYTES = 256 << 20
#: How much larger the content may be than the archive, beyond what is small anyway.
MAXIMUM_RATIO = 200
_FREE_BYTES = 1 << 20
_MAXIMUM_NAME_LENGTH = 2_000
#: Headers and padding of one entry.
_TAR_ENTRY_BYTES = 3 * 512
_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
#: ZIP has no times before this one.
_FIRST_ZIP_SECOND = 315_532_800


#: What the libraries raise for bytes that are no archive, or one of a kind that they do not know.
_UNSOUND = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


class ArchiveFormat(StrEnum):
    ZIP = "ZIP"
    TAR_GZ = "TAR_GZ"

    @classmethod
    def of(cls, text: str | None, file_name: str) -> ArchiveFormat:
        """As given, else by the end of the file's name. Raises `ArchiveError` (JOC-415)."""
        if not text:
            return cls.TAR_GZ if file_name.endswith((".tar.gz", ".tgz", ".gz")) else cls.ZIP
        try:
            return cls(text)
        except ValueError:
            raise ArchiveError(f"format '{text}' is not supported; use ZIP or TAR_GZ", code="JOC-415") from None


class ArchiveError(ApiError):
    """The archive cannot be used. JOC-417; JOC-415: it is no archive of the format."""

    def __init__(self, message: str, code: str = "JOC-417") -> None:
        kind = "JocUnsupportedFileTypeException" if code == "JOC-415" else "JocImportException"
        super().__init__(message, code=code, kind=kind)


def read_archive(data: bytes, format_: ArchiveFormat) -> dict[str, bytes]:
    """Name → content of all files, in the archive's order. Raises `ArchiveError`."""
    limit = min(MAXIMUM_TOTAL_BYTES, max(_FREE_BYTES, MAXIMUM_RATIO * len(data)))
    entries = _zip_entries(data, limit) if format_ == ArchiveFormat.ZIP else _tar_entries(data, limit)
    found: dict[str, bytes] = {}
    try:
        for name, content in entries:
            if name in found:
                raise ArchiveError(f"{name}: the archive has two entries of this name")
            found[name] = content
    except _UNSOUND as error:
        raise ArchiveError(f"the file is not a sound {format_} archive: {error}", code="JOC-415") from None
    return found


def write_archive(entries: Mapping[str, bytes], format_: ArchiveFormat, now_ms: int) -> bytes:
    """An archive of files by name."""
    target = io.BytesIO()
    seconds = max(now_ms // 1000, _FIRST_ZIP_SECOND)
    if format_ == ArchiveFormat.ZIP:
        import time

        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                info = zipfile.ZipInfo(name, time.gmtime(seconds)[:6])
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = 0o644 << 16
                archive.writestr(info, content)
        return target.getvalue()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), seconds, 0o644
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _checked_name(name: str) -> str:
    """The name below the top of the archive. Raises `ArchiveError`."""
    shown = name[:200].encode("utf-8", "backslashreplace").decode()
    if len(name) > _MAXIMUM_NAME_LENGTH:
        raise ArchiveError(f"{shown}…: the name is longer than {_MAXIMUM_NAME_LENGTH} characters")
    if name.startswith("/") or "\\" in name or "\0" in name or name[1:2] == ":":
        raise ArchiveError(f"{shown}: names of entries must be relative, with '/' between folders")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(f"{shown}: the name leads out of the archive")
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise ArchiveError(f"{shown}: names of entries must be UTF-8") from None
    return "/".join(parts)


class _Budget:
    """Counts what has been unpacked."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._limit = limit
        self._entries = 0

    def entry(self, name: str, size: int) -> None:
        self._entries += 1
        if self._entries > MAXIMUM_ENTRIES:
            raise ArchiveError(f"the archive has more than {MAXIMUM_ENTRIES} entries")
        if size > MAXIMUM_ENTRY_BYTES:
            raise ArchiveError(f"{name}: the entry is larger than {MAXIMUM_ENTRY_BYTES} bytes")

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ArchiveError(f"the archive unpacks to more than {self._limit} bytes, which its size does not justify")


# --- ZIP --------------------------------------------------------------------------------------------------------------


def _zip_entries(data: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    budget = _Budget(limit)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            name = _checked_name(_zip_name(info))
            budget.entry(name, info.file_size)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise ArchiveError(f"{name}: links and devices are not accepted")
            if info.flag_bits & _ENCRYPTED:
                raise ArchiveError(f"{name}: encrypted archives are not accepted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveError(f"{name}: use the usual compression (deflate)")
            budget.take(info.file_size)
            with archive.open(info) as file:  # gives no more than file_size, and checks the CRC
                yield name, file.read()


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Without the UTF-8 flag names are in any encoding: UTF-8 is what JS7 and most tools write all the same."""
    name = info.orig_filename
    if info.flag_bits & _UTF8_NAME or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        raise ArchiveError(f"{name}: names of entries must be UTF-8") from None


# --- TAR_GZ -----------------------------------------------------------------------------------------------------------


class _Limited(io.RawIOBase):
    """The unpacked stream, up to a limit."""

    def __init__(self, source: Any, budget: _Budget) -> None:
        self._source = source
        self._budget = budget

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._source.read(min(size, 1 << 16) if size >= 0 else 1 << 16)
        self._budget.take(len(data))
        return data


def _tar_entries(data: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    budget = _Budget(limit)
    # Headers and padding are part of the stream: it may be a little longer for each entry.
    unpacked = _Budget(limit + _FREE_BYTES)
    stream = _Limited(gzip.GzipFile(fileobj=io.BytesIO(data)), unpacked)
    with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape", encoding="utf-8") as archive:
        for member in archive:
            unpacked.take(-_TAR_ENTRY_BYTES)
            name = _checked_name(member.name)
            budget.entry(name, member.size)
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise ArchiveError(f"{name}: links and devices are not accepted")
            budget.take(member.size)
            file = archive.extractfile(member)
            assert file is not None, "a regular file has content"
            content = file.read()
            if len(content) != member.size:
                raise EOFError(f"{name} is cut off")
            yield name, content
