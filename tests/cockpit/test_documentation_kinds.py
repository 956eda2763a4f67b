"""Names and kinds of documentations, and names of people in notes (pure)."""

from __future__ import annotations

import pytest

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.documentations.kinds import kind_of, media_type, new_reference, shown_kind
from stellwerk.cockpit.documentations.store import references
from stellwerk.cockpit.notes.notes import mentioned


def test_kinds_are_told_by_the_end_of_the_name() -> None:
    assert [kind_of(name) for name in ("a.HTML", "a.b.pdf", "x.jpeg")] == ["html", "pdf", "jpeg"]
    assert (shown_kind("jpeg"), shown_kind("htm"), shown_kind("pdf")) == ("image", "html", "pdf")
    assert media_type("md") == "text/plain; charset=UTF-8" and media_type("svg") == "image/svg+xml"
    for wrong in ("noend", "a.exe", ".", "html"):
        with pytest.raises(BadRequest, match="is no documentation"):
            kind_of(wrong)


def test_references_are_unlike_each_other_and_parts_have_none() -> None:
    assert new_reference("My manual (2).html", "html", set()) == "My-manual-2"
    assert new_reference("a.md", "md", {"a", "a-2"}) == "a-3"
    assert new_reference("....md", "md", set()) == "document"
    assert new_reference("logo.png", "png", set()) is new_reference("x.css", "css", set()) is None


def test_references_of_objects_and_their_jobs_are_found() -> None:
    content = {"documentationName": "o", "jobs": {"a": {"documentationName": "ja"}, "b": {}, "c": None}}
    assert references(content) == ["o", "ja"]
    assert (references(content, job="a"), references(content, job="b"), references(content, job="x")) == (
        ["ja"],
        [],
        [],
    )
    assert references(None) == references({"documentationName": ""}) == references({"jobs": []}) == []


def test_people_are_named_with_an_at_sign() -> None:
    assert mentioned("@ann, @bob.b: see (@cid-1) and @dan.") == {"ann", "bob.b", "cid-1", "dan"}
    assert mentioned("mail to me@example.org, a @ b, @@x") == frozenset()
