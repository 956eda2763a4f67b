"""Lines `##!include NAME --replace="search","text"` in job scripts (services spec 1.11)."""

from __future__ import annotations

import re
from collections.abc import Callable

from stellwerk.language.inventory.conversion import Converter

_INCLUDE = re.compile(r"^(\s*)(?:##|::|//)!include[ \t]+(\S+)[ \t]*(.*)$")
_REPLACE = re.compile(
    r"""\s*--replace\s*=\s*(?:"(?P<search>[^"]+)"|'(?P<search1>[^']+)')\s*,\s*(?:"(?P<text>[^"]*)"|'(?P<text1>[^']*)')"""
)


def expand_includes(converter: Converter, script: str, path: str) -> str:
    """The script with the text of the released include scripts in place of its include lines.

    Includes within included scripts are not expanded. Nothing is expanded when the target says nothing about include
    scripts; an unknown name or a malformed option is reported.
    """
    scripts = converter.target.include_scripts
    if scripts is None or "!include" not in script:
        return script
    lines = []
    for number, line in enumerate(script.split("\n"), start=1):
        match = _INCLUDE.match(line)
        if match is None:
            lines.append(line)
            continue
        indent, name, options = match.groups()
        replacements = _replacements(options)
        if replacements is None:
            converter.problem(
                path,
                f"line {number}: wrong format of the include of {name!r}: {options}",
                'write --replace="search","replacement"',
            )
        elif name not in scripts:
            converter.problem(
                path, f"line {number}: referenced an unreleased script {name!r}", "release the include script first"
            )
        else:
            text = scripts[name]
            for search, replacement in replacements:
                text = text.replace(search, replacement)
            lines.extend(indent + included for included in text.split("\n"))
    return "\n".join(lines)


def with_included_names(script: str, rename: Callable[[str], str]) -> str:
    """The script with other names in its include lines; `rename` is asked once for each of them."""
    if "!include" not in script:
        return script
    lines = []
    for line in script.split("\n"):
        match = _INCLUDE.match(line)
        if match is not None:
            line = line[: match.start(2)] + rename(match[2]) + line[match.end(2) :]
        lines.append(line)
    return "\n".join(lines)


def _replacements(options: str) -> list[tuple[str, str]] | None:
    """The pairs of all `--replace` options, or None if there is anything else."""
    result = []
    position = 0
    options = options.rstrip()
    while position < len(options):
        match = _REPLACE.match(options, position)
        if match is None:
            return None
        search = match["search"] if match["search"] is not None else match["search1"]
        text = match["text"] if match["text"] is not None else match["text1"]
        result.append((search, text))
        position = match.end()
    return result
