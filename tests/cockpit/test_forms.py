"""Bodies of multipart/form-data, as curl sends them (cockpit-api 2.3)."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from stellwerk.cockpit.api.decoding import RequestError
from stellwerk.cockpit.api.forms import Upload, read_form

BINARY = bytes(range(256)) * 300 + b"\r\n--not-the-boundary\r\n"


def _form(*parts: tuple[str, bytes], boundary: str = "b") -> tuple[bytes, str]:
    body = b"".join(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), data) for head, data in parts)
    return body + b"--%s--\r\n" % boundary.encode(), f"multipart/form-data; boundary={boundary}"


def test_fields_and_a_binary_file() -> None:
    body, content_type = _form(
        ('Content-Disposition: form-data; name="file"; filename="a b.zip"\r\nContent-Type: application/zip', BINARY),
        ('Content-Disposition: form-data; name="targetFolder"', "/Prüfung".encode()),
        ('Content-Disposition: form-data; name="overwrite"', b"true"),
    )
    fields, files = read_form(body, content_type)
    assert fields == {"targetFolder": "/Prüfung", "overwrite": "true"}
    assert files == {"file": Upload("a b.zip", BINARY)}


@pytest.mark.parametrize(
    ("body", "content_type", "fault"),
    [
        (b"{}", "application/json", "has to be multipart/form-data"),
        (b"", "multipart/form-data", "boundary"),
        (b"--b\r\n", "multipart/form-data; boundary=b", "cannot be read"),
        (b"", "multipart/form-data; boundary=b", "cannot be read"),
        (_form(('Content-Disposition: form-data; name="a"', b"\xff"))[0], "multipart/form-data; boundary=b", "cannot"),
        (
            _form(*[(f'Content-Disposition: form-data; name="a{n}"', b"") for n in range(40)])[0],
            "multipart/form-data; boundary=b",
            "cannot be read",
        ),
    ],
)
def test_bad_forms_are_refused(body: bytes, content_type: str, fault: str) -> None:
    with pytest.raises(RequestError, match=fault):
        read_form(body, content_type)


def test_what_curl_sends(tmp_path: Path) -> None:
    """The vendor's scripts use `curl -F`."""
    received: list[tuple[bytes, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.rfile.read(int(self.headers["Content-Length"])), self.headers["Content-Type"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Silent."""

    file = tmp_path / "archive.tar.gz"
    file.write_bytes(BINARY)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        subprocess.run(
            ["curl", "-s", "-S", "-X", "POST", "-F", f"file=@{file}", "-F", "format=TAR_GZ", url],
            check=True,
            timeout=60,
        )
        thread.join()
    fields, files = read_form(*received[0])
    assert fields == {"format": "TAR_GZ"}
    assert files == {"file": Upload("archive.tar.gz", BINARY)}
