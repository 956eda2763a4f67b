"""Archives of inventory objects as the vendor's command line sends and gets them (cockpit-api 2.3)."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from typing import Any

import aiohttp


def archive(files: dict[str, Any], format_: str = "ZIP") -> bytes:
    encoded = {name: value if isinstance(value, bytes) else json.dumps(value).encode() for name, value in files.items()}
    target = io.BytesIO()
    if format_ == "ZIP":
        with zipfile.ZipFile(target, "w") as packed:
            for name, content in encoded.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for name, content in encoded.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def unpacked(data: bytes, format_: str = "ZIP") -> dict[str, Any]:
    if format_ == "ZIP":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return {name: json.loads(packed.read(name)) for name in packed.namelist()}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        return {member.name: json.loads(tar.extractfile(member).read()) for member in tar}  # type: ignore[union-attr]


async def import_archive(client: Any, data: bytes, *, status: int = 200, **fields: str) -> Any:
    """As `deploy-workflow.sh import` sends it."""
    form = aiohttp.FormData()
    form.add_field("file", data, filename="export.zip", content_type="application/octet-stream")
    for name, value in {"format": "ZIP", "targetFolder": "/", "overwrite": "false", **fields}.items():
        form.add_field(name, value)
    async with await client.raw("POST", "inventory/import", data=form) as response:
        answer = await response.json()
        assert response.status == status, answer
        return answer


async def export(client: Any, path: str, request: Any) -> bytes:
    async with await client.raw(
        "POST", path, request, headers={"Accept-Encoding": "gzip, deflate"}, auto_decompress=False
    ) as response:
        data = await response.read()
        assert response.status == 200, data
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert "Content-Encoding" not in response.headers and not data.startswith(b"{")
        return bytes(data)


def folder_export(format_: str = "ZIP", file: str = "all.zip", **members: Any) -> str:
    """As `deploy-workflow.sh export --folder` writes it."""
    copy = {
        "objectTypes": [],
        "folders": ["/acme"],
        "recursive": True,
        "onlyValidObjects": False,
        "withoutDrafts": False,
        "withoutDeployed": False,
        "withoutReleased": False,
        **members,
    }
    return (
        f'{{"exportFile":{{"filename":"{file}","format":"{format_}"}},"useShortPath":false,"shallowCopy":{json.dumps(copy)},'
        '"auditLog":{"comment":"backup"}}'
    )
