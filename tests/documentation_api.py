"""The list of the REST API's known paths, made from the table in docs/specification/cockpit-api.md, section 7."""

from __future__ import annotations

import re
from pathlib import Path

SPECIFICATION = Path(__file__).parents[1] / "docs" / "specification" / "cockpit-api.md"
_ROW = re.compile(r"\| `(?P<path>/[^`]+)`(?: \((?P<methods>[A-Z,]+)\))? \| (?P<tier>\d) \| (?P<published>\w) \|")

HEAD = '''"""All paths that the vendor publishes or its shell CLI uses, below `/joc/api`: tier, methods, path, in lines.

Generated from the specification, cockpit-api section 7 (`make docs`); read by `published`.
"""

PUBLISHED_PATHS = """\\
'''


def published_paths_module() -> str:
    """The module `stellwerk.cockpit.api.published_paths`."""
    text = SPECIFICATION.read_text()
    table = text[text.index("\n## 7. ") : text.index("\n## 8. ")]
    rows = [match for match in map(_ROW.match, table.splitlines()) if match]
    rows = [row for row in rows if row["published"] == "P" or row["tier"] == "1"]
    lines = [f"{row['tier']} {row['methods'] or 'POST'} {row['path']}\n" for row in rows]
    return HEAD + "".join(lines) + '"""\n'
