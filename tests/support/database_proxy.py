"""Between a Cockpit and its PostgreSQL (both at Unix sockets): can be cut (refuses) or stand still (nothing passes)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from proxy import Proxy

_NAME = ".s.PGSQL.5432"


class DatabaseProxy(Proxy):
    """`database_url` leads through it."""

    def __init__(self, url: str) -> None:
        [folder] = parse_qs(urlsplit(url).query)["host"]
        # The path of a Unix socket is short by nature.
        self._folder = Path(tempfile.mkdtemp(prefix="stellwerk-px-"))
        self.database_url = url.replace(folder, str(self._folder)).replace(quote(folder, safe=""), str(self._folder))
        super().__init__(str(Path(folder) / _NAME), str(self._folder / _NAME))

    def start(self) -> None:
        (self._folder / _NAME).unlink(missing_ok=True)
        super().start()

    def remove(self) -> None:
        """For good."""
        self.refuse()
        shutil.rmtree(self._folder)
