"""What is indexed of a log and what is asked of the index: no log with the text is ever missed."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stellwerk.cockpit.history.words import (
    LONGEST,
    MAXIMUM_WORDS,
    Words,
    finder,
    fts5_query,
    tsquery,
    wanted_words,
)


def indexed(*pieces: str) -> list[str]:
    words = Words()
    for piece in pieces:
        words.add(piece)
    return words.sorted()


def has(words: list[str], wanted: str) -> bool:
    """What the databases do."""
    if wanted.endswith("*"):
        return any(word.startswith(wanted[:-1]) for word in words)
    return wanted in words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("disk quota exc", ["disk", "quota", "exc*"]),
        ("Quota exceeded.", ["quota", "exceeded"]),
        ("a=12, id_7", ["id_7*"]),
        ("ÜBER", ["über*"]),
        ("x" * 50, ["x" * LONGEST + "*"]),
        ("x" * 50 + " end.", ["x" * LONGEST + "*", "end"]),
        ("- .", []),
    ],
)
def test_the_words_of_a_text_are_whole_but_for_the_last(text: str, expected: list[str]) -> None:
    assert wanted_words(text) == expected


def test_a_word_in_two_pieces_is_one_word() -> None:
    assert "exceeded" in indexed("disk exc", "eeded\n")
    assert "exceeded" in indexed("disk e", "xcee", "ded")
    assert "excerpt" not in indexed("disk exc\n", "erpt")


def test_colours_are_no_part_of_words_wherever_pieces_divide_them() -> None:
    text = "\x1b[31mwrite: Disk\x1b[0m quota"
    for cut in range(len(text)):
        words = indexed(text[:cut], text[cut:])
        assert {"write", "disk", "quota"} <= set(words), (cut, words)
        assert not any("31m" in word for word in words), (cut, words)


def test_too_many_words_are_told() -> None:
    words = Words()
    for number in range(MAXIMUM_WORDS + 5):
        words.add(f"word{number}\n")
    assert not words.are_all
    assert len(words.sorted()) == MAXIMUM_WORDS


def test_what_is_found_begins_with_a_word() -> None:
    assert finder("quota ex").search("the Quota exceeded")
    assert not finder("quota").search("subquota")
    assert finder("(quota").search("no(quota)"), "signs may stand anywhere"
    assert finder("a.c").search("abc") is None, "no regular expression"


def test_queries_cannot_be_broken_out_of() -> None:
    words = wanted_words("""it's "quoted" OR 'x':* & !rm""")
    assert fts5_query(words) == '"quoted"'
    assert tsquery(["quoted", "über*"]) == "'quoted' & 'über':*"
    assert all(re.fullmatch(r"\w+\*?", word) for word in wanted_words("""a'bcd "efg' h:ijk* \\lmn"""))


_LETTERS = st.text(alphabet="abcABCäÖ_19 .-'\"\n", max_size=60)


# How long an example takes is the machine's, not the test's.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    line=_LETTERS, start=st.integers(0, 60), length=st.integers(1, 30), cuts=st.lists(st.integers(0, 60), max_size=4)
)
def test_each_part_of_a_line_that_begins_with_a_word_is_found_by_its_words(
    line: str, start: int, length: int, cuts: list[int]
) -> None:
    text = line[start : start + length]
    if "\n" in text or finder(text).search(line) is None:
        return
    bounds = [0, *sorted(cuts), len(line)]
    words = indexed(*(line[a:b] for a, b in pairwise(bounds)))
    assert all(has(words, wanted) for wanted in wanted_words(text)), (words, wanted_words(text))
