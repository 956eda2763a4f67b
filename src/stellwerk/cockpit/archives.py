"""Archives (zip, tar.gz) as lists of named contents: what exports write and imports read (cockpit-api 2.3).

    entries = read_archive(data, ArchiveFormat.ZIP)
    data = write_archive(entries, ArchiveFormat.TAR_GZ, modified_ms=now_ms)

Nothing touches the file system, so that no name can lead out of a folder there. An archive comes from outside and is
not trusted: links and special files, names with `..`, names that occur twice, encrypted entries, too many or too large
entries, and contents that unpack to far more than was sent are refused with `ArchiveError`. Names come back in one
form: relative, with `/` between segments, without `./` at the beginning. Entries for folders are left out.

Both functions work for as long as the data is large (a second for some tens of megabytes): call them in a thread.
"""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import BytesIO
from typing import IO

import msgspec

_CHUNK_BYTES = 1 << 16
#: What a tar file holds besides the contents, for each entry: its header, long names, padding.
_TAR_OVERHEAD_BYTES = 4096
#: Precedes each entry in a zip file's directory.
_ZIP_ENTRY_SIGNATURE = b"PK\x01\x02"
_ZIP_UTF8_NAME = 0x800
_EARLIEST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class ArchiveFormat(StrEnum):
    """The values of `format` in requests (cockpit-api 8, ArchiveFormat)."""

    ZIP = "ZIP"
    TAR_GZ = "TAR_GZ"


class ArchiveError(Exception):
    """The archive cannot be read or is refused; the message says why and names the entry."""


class NoArchiveError(ArchiveError):
    """The data is no sound archive of the format at all."""


class Entry(msgspec.Struct, frozen=True):
    """One file in an archive."""

    name: str
    data: bytes


class Limits(msgspec.Struct, frozen=True):
    """What an archive from outside may hold. `expansion` is contents : archive, not looked at below `free_bytes`."""

    entries: int = 20_000
    entry_bytes: int = 16 << 20
    total_bytes: int = 256 << 20
    expansion: int = 200
    free_bytes: int = 1 << 20

    def bytes_for(self, archive_bytes: int) -> int:
        """How many bytes an archive of this size may hold in all."""
        return min(self.total_bytes, max(self.free_bytes, archive_bytes * self.expansion))


LIMITS = Limits()


def read_archive(data: bytes, format: ArchiveFormat, limits: Limits = LIMITS) -> list[Entry]:
    """The files of an archive in its order. Raises `ArchiveError`."""
    reader = _zip_entries if format is ArchiveFormat.ZIP else _tar_entries
    found: dict[str, Entry] = {}
    for entry in reader(data, limits):
        if entry.name in found:
            raise ArchiveError(f"the archive holds '{entry.name}' twice")
        found[entry.name] = entry
        if len(found) > limits.entries:
            raise ArchiveError(f"the archive holds more than {limits.entries} entries")
    return list(found.values())


def write_archive(entries: Iterable[Entry], format: ArchiveFormat, *, modified_ms: int) -> bytes:
    """An archive with these files in this order, all of one time of modification."""
    target = BytesIO()
    seconds = modified_ms // 1000
    if format is ArchiveFormat.ZIP:
        zip_time = max(time.gmtime(seconds)[:6], _EARLIEST_ZIP_TIME)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in entries:
                info = zipfile.ZipInfo(_checked_name(entry.name), zip_time)
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(info, entry.data, zipfile.ZIP_DEFLATED)
        return target.getvalue()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in entries:
            member = tarfile.TarInfo(_checked_name(entry.name))
            member.size, member.mtime, member.mode = len(entry.data), seconds, 0o644
            tar.addfile(member, BytesIO(entry.data))
    return target.getvalue()


def _zip_entries(data: bytes, limits: Limits) -> Iterator[Entry]:
    # `zipfile` reads the whole directory at once: what is too long is refused before.
    if data.count(_ZIP_ENTRY_SIGNATURE) > 2 * limits.entries:
        raise ArchiveError(f"the archive holds more than {limits.entries} entries")
    left = limits.bytes_for(len(data))
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for info in archive.infolist():
                mode = info.external_attr >> 16
                if info.is_dir() or stat.S_ISDIR(mode):
                    continue
                name = _checked_name(_zip_name(info))
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise ArchiveError(f"'{name}' is a link or a special file; only files are read")
                if info.flag_bits & 0x1:
                    raise ArchiveError(f"'{name}' is encrypted; pack the archive without a password")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ArchiveError(f"'{name}' is compressed by another method than deflate")
                with archive.open(info) as stream:
                    content = _content(stream, name, limits, left)
                left -= len(content)
                yield Entry(name, content)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise NoArchiveError(f"the file is no readable zip archive: {error}") from None


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Without the UTF-8 flag names are in any encoding; JS7 and most tools write UTF-8 all the same."""
    name = info.orig_filename
    if info.flag_bits & _ZIP_UTF8_NAME or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        raise ArchiveError(f"the entry's name '{name}' is not UTF-8") from None


def _tar_entries(data: bytes, limits: Limits) -> Iterator[Entry]:
    left = limits.bytes_for(len(data))
    try:
        unpacked = _BoundedGzip(data, left + limits.entries * _TAR_OVERHEAD_BYTES)
        with tarfile.open(fileobj=unpacked, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
            for member in archive:
                if member.isdir():
                    continue
                name = _checked_name(member.name)
                stream = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if stream is None:
                    raise ArchiveError(f"'{name}' is a link or a special file; only files are read")
                content = _content(stream, name, limits, left)
                if len(content) != member.size:
                    raise ArchiveError(f"the archive ends within '{name}'")
                left -= len(content)
                yield Entry(name, content)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise NoArchiveError(f"the file is no readable tar.gz archive: {error}") from None


def _content(stream: IO[bytes], name: str, limits: Limits, left: int) -> bytes:
    """The whole stream. What an entry says of its own size is not believed."""
    allowed = min(limits.entry_bytes, left)
    parts: list[bytes] = []
    size = 0
    while part := stream.read(_CHUNK_BYTES):
        size += len(part)
        if size > limits.entry_bytes:
            raise ArchiveError(f"'{name}' is larger than {limits.entry_bytes} bytes")
        if size > allowed:
            raise ArchiveError(
                "the archive unpacks to too many bytes (at most "
                f"{limits.total_bytes}, and at most {limits.expansion} times its own size): refused at '{name}'"
            )
        parts.append(part)
    return b"".join(parts)


class _BoundedGzip(gzip.GzipFile):
    """Raises `ArchiveError` when more has been read than an archive may hold: a tar file has more than contents."""

    def __init__(self, data: bytes, limit: int) -> None:
        super().__init__(fileobj=BytesIO(data))
        self._left = limit

    def read(self, size: int | None = -1) -> bytes:
        part = super().read(size)
        self._left -= len(part)
        if self._left < 0:
            raise ArchiveError("the archive unpacks to too many bytes for its size")
        return part


def _checked_name(name: str) -> str:
    """The name in its one form. Raises `ArchiveError` for one that no file below a folder can have."""
    if name.startswith("/"):
        raise ArchiveError(f"the entry's name '{name}' is absolute; names are relative to the archive's root")
    cleaned = name.removeprefix("./")
    segments = cleaned.split("/")
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="backslashreplace").decode()
        raise ArchiveError(f"the entry's name '{shown}' is not UTF-8") from None
    if "\\" in name or any(ord(character) < 32 for character in name):
        raise ArchiveError(f"the entry's name {name!r} holds a character that names must not hold")
    if not all(segments) or any(segment in (".", "..") for segment in segments):
        raise ArchiveError(f"the entry's name '{name}' is no path below the archive's root")
    return cleaned
