"""`stellwerk import-js7 FOLDER --data FOLDER`: what was written, and what a person has to look at."""

from __future__ import annotations

from pathlib import Path

from stellwerk.cli.output import CommandError, print_json
from stellwerk.node.configuration import ConfigurationError
from stellwerk.node.import_js7 import import_js7


def run_import(folder: Path, data: Path, as_json: bool) -> None:
    """Convert and report. Raises `CommandError`; then nothing has been written."""
    try:
        imported, files = import_js7(folder, data)
    except ConfigurationError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json({"component": imported.component, "files": [str(file) for file in files], "notes": imported.notes})
        return
    for file in files:
        print(f"written: {file}")
    if imported.notes:
        print(f"\n{len(imported.notes)} notes: please look at each")
        for note in imported.notes:
            print(f"  {note.key}: {note.text}")
    print(f"\nStart it with: stellwerk {imported.component} --data {data}")
