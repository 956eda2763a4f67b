"""Words of logs: what is indexed of a text, and how a text that is looked for is found in it. Pure.

A word is a run of letters, digits and underscores, without regard to case. Found is what begins with a word: `quota ex`
finds `Quota exceeded` and not `subquota exceeded`. So the words of the wanted text, the last one as a beginning, say
which logs can have it; then the lines are looked at. Colours and other escapes of terminals are no part of a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Shorter words are everywhere and are not indexed; of longer ones so much as `LONGEST`.
SHORTEST, LONGEST = 3, 40
#: Distinct words of one log; beyond them the log is read whenever something is looked for.
MAXIMUM_WORDS = 20_000

_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BEGUN_ESCAPE = re.compile(r"\x1b(\[[0-9;?]{0,30})?$")


def plain(text: str) -> str:
    """Without escapes of terminals."""
    return _ESCAPE.sub("", text) if "\x1b" in text else text


class Words:
    """The distinct words of a text that comes in pieces."""

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._rest = ""

    @property
    def are_all(self) -> bool:
        """False: there were too many, and some are missing."""
        return len(self._found) <= MAXIMUM_WORDS

    def add(self, text: str) -> None:
        text = plain(self._rest + text)
        begun = _BEGUN_ESCAPE.search(text) if "\x1b" in text else None
        escape = "" if begun is None else begun[0]
        text = text.removesuffix(escape).lower()
        last = None
        for match in _WORD.finditer(text):
            last = match
            if len(self._found) <= MAXIMUM_WORDS and match.end() - match.start() >= SHORTEST:
                self._found.add(match[0][:LONGEST])
        # A word at the end may go on; its beginning has been added, which does no harm.
        is_open = last is not None and last.end() == len(text)
        self._rest = (text[last.start() :][-LONGEST:] if last is not None and is_open else "") + escape

    def sorted(self) -> list[str]:
        return sorted(self._found)[:MAXIMUM_WORDS]


def wanted_words(text: str) -> list[str]:
    """Words that a log must have to contain `text`; the last one, if it ends the text, as a beginning: `quot*`."""
    found = []
    text = text.lower()
    for match in _WORD.finditer(text):
        word = match[0][:LONGEST]
        is_beginning = match.end() == len(text) or len(match[0]) > LONGEST
        if len(word) >= SHORTEST:
            found.append(word + "*" if is_beginning else word)
    return found


def finder(text: str) -> re.Pattern[str]:
    """Finds `text` in a line."""
    begins_with_word = re.match(r"\w", text) is not None
    return re.compile((r"(?<!\w)" if begins_with_word else "") + re.escape(text), re.IGNORECASE)


def fts5_query(words: Iterable[str]) -> str:
    """`"disk" "quot"*`: all of them (SQLite)."""
    return " ".join(f'"{word[:-1]}"*' if word.endswith("*") else f'"{word}"' for word in words)


def tsquery(words: Iterable[str]) -> str:
    """`'disk' & 'quot':*`: all of them (PostgreSQL)."""
    return " & ".join(f"'{word[:-1]}':*" if word.endswith("*") else f"'{word}'" for word in words)
