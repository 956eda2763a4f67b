"""Tags as people and archives write them (cockpit-services 1.9, 1.10). Pure."""

from __future__ import annotations

from typing import Any

import pytest

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.inventory.tag_names import (
    ArchivedTags,
    Tag,
    archived_tags_of,
    names_of,
    order_tags_of,
    tags_file,
    tags_of,
)
from stellwerk.cockpit.inventory.types import ObjectType


def test_a_tag_may_be_written_with_its_group_and_is_taken_once() -> None:
    assert tags_of(["night", "site:paris", "paris", "night"]) == [Tag("night"), Tag("paris", "site")]
    assert [str(tag) for tag in tags_of(["paris", "site:paris"])] == ["site:paris"]
    assert names_of(["site:paris", "night"]) == ["paris", "night"]


@pytest.mark.parametrize(
    "texts, said",
    [
        (["a b"], "'a b' is not possible: Spaces"),
        ([""], "must not be empty"),
        (["site:"], "must not be empty"),
        ([":paris"], "must not be empty"),
        (["a:b:c"], "'a:b:c'"),
        (["-x"], "must not begin"),
        (["site:paris", "team:paris"], "duplicate tag name 'paris' with different groups"),
    ],
)
def test_tags_that_are_not_possible_are_refused_with_what_is_wrong(texts: list[str], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        tags_of(texts)


@pytest.mark.parametrize(
    "type_, content, tags",
    [
        (ObjectType.SCHEDULE, {"orderParameterisations": [{"tags": ["a", "g:b"]}, {"tags": ["a"]}, {}]}, ["a", "b"]),
        (ObjectType.SCHEDULE, {"variableSets": [{"tags": ["old"]}]}, ["old"]),
        (
            ObjectType.WORKFLOW,
            {"instructions": [{"TYPE": "If", "then": {"instructions": [{"TYPE": "AddOrder", "tags": ["deep"]}]}}]},
            ["deep"],
        ),
        (ObjectType.FILEORDERSOURCE, {"tags": ["in"]}, ["in"]),
        # Objects are stored with all their mistakes: these say nothing.
        (ObjectType.FILEORDERSOURCE, {"tags": ["not possible", 7, ""]}, []),
        (ObjectType.FILEORDERSOURCE, {"tags": "in"}, []),
        (ObjectType.SCHEDULE, {"orderParameterisations": "x"}, []),
        (ObjectType.SCHEDULE, {"orderParameterisations": [None]}, []),
        (ObjectType.LOCK, {"tags": ["no"]}, []),
        (ObjectType.WORKFLOW, None, []),
    ],
)
def test_objects_that_make_orders_tell_their_tags(type_: ObjectType, content: Any, tags: list[str]) -> None:
    assert order_tags_of(type_, content) == [Tag(name) for name in tags]


def test_what_an_archive_says_of_tags_comes_back_as_it_was() -> None:
    paris, night, unused = Tag("paris", "site"), Tag("night"), Tag("unused")
    tags = ArchivedTags(
        workflows={"LOAD": [paris, night], "NEXT": [night]},
        jobs={"LOAD": {"extract": [Tag("slow", "speed")]}},
        known=[paris, night, unused],
    )
    file = tags_file(tags)
    assert file["tags"][1] == {
        "name": "night",
        "ordering": 2,
        "usedBy": [{"name": "LOAD", "type": "WORKFLOW"}, {"name": "NEXT", "type": "WORKFLOW"}],
    }
    assert archived_tags_of(file) == tags


def test_archives_of_others_may_say_more_or_less() -> None:
    content = {
        "tags": [
            {"name": "late", "ordering": 2, "usedBy": [{"name": "W", "type": "WORKFLOW"}]},
            {"name": "g:early", "ordering": 1, "usedBy": [{"name": "W"}, {"name": "S", "type": "SCHEDULE"}]},
        ],
        "orderTags": {"schedules": []},
    }
    found = archived_tags_of(content)
    assert found.known == [Tag("early", "g"), Tag("late")]
    assert found.workflows == {"W": [Tag("early", "g"), Tag("late")]} and found.jobs == {}
    assert archived_tags_of({}) == ArchivedTags(workflows={}, jobs={}, known=[])


@pytest.mark.parametrize(
    "content", [[], {"tags": [{}]}, {"tags": [{"name": "a b"}]}, {"jobTags": [{"name": "W", "jobs": {"j": "x"}}]}]
)
def test_a_file_that_is_no_such_content_is_refused(content: Any) -> None:
    with pytest.raises(BadRequest, match="tag"):
        archived_tags_of(content)
