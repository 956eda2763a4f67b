"""`stellwerk explain` and `stellwerk schema`: words for everything, diagrams that hold together."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest
from generated_workflows import workflow as generated

from stellwerk.author import words
from stellwerk.author.explain import mermaid, steps
from stellwerk.author.files import AuthorFile
from stellwerk.language.instructions import Instruction
from stellwerk.language.inventory import workflow_from_engine
from stellwerk.language.inventory.schema import _INSTRUCTIONS, workflow_schema
from stellwerk.language.reader import Reader
from stellwerk.language.schedules import Period
from stellwerk.language.workflow import Workflow, read_workflow

SAMPLES = Path(__file__).parents[2] / "src/stellwerk/cli/samples"


def workflow(seed: int) -> Workflow:
    return read_workflow({"TYPE": "Workflow", "versionId": "1", **json.loads(json.dumps(generated(Random(seed))))})


def test_there_are_words_for_every_instruction() -> None:
    assert set(words._WORDS) == set(Instruction.REGISTRY.values())


@pytest.mark.parametrize("seed", range(60))
def test_every_instruction_is_a_line_and_every_edge_has_its_nodes(seed: int) -> None:
    item = workflow(seed)
    numbered = [line for line in steps(item) if re.match(r"\s*[\d.a-z]+\. ", line)]
    written = sum(1 for _, instruction in item.instructions() if type(instruction).__name__ != "ImplicitEnd")
    assert len(numbered) == written
    diagram = mermaid(item)
    nodes = set(re.findall(r"^\s*(n\d+|finish)[\[({]", diagram, re.M))
    edges = re.findall(r"^\s*(n\d+) --> ?(?:\|.*?\| )?(n\d+|finish)$", diagram, re.M)
    edges += re.findall(r'^\s*(n\d+) -->\|".*?"\| (n\d+|finish)$', diagram, re.M)
    assert {end for edge in edges for end in edge} <= nodes
    assert diagram.count("subgraph ") == len(re.findall(r"^\s*end$", diagram, re.M))
    assert all(line.count('"') % 2 == 0 for line in diagram.splitlines())


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ({"TYPE": "DailyPeriod", "secondOfDay": 0, "duration": 86400}, "always"),
        ({"TYPE": "DailyPeriod", "secondOfDay": 28800, "duration": 36000}, "daily at 08:00 for 10 h"),
        ({"TYPE": "WeekdayPeriod", "secondOfWeek": 115200, "duration": 60}, "Tuesday 08:00 for 1 min"),
        (
            {"TYPE": "MonthlyDatePeriod", "secondOfMonth": 90061, "duration": 1},
            "on day 2 of the month at 01:01:01 for 1 s",
        ),
        (
            {"TYPE": "MonthlyLastDatePeriod", "lastSecondOfMonth": -3600, "duration": 1},
            "on the last day of the month at 23:00 for 1 s",
        ),
        (
            {"TYPE": "MonthlyWeekdayPeriod", "secondOfWeeks": 604800 + 3600, "duration": 1},
            "on the second Monday of the month at 01:00 for 1 s",
        ),
        (
            {"TYPE": "MonthlyLastWeekdayPeriod", "secondOfWeeks": -1, "duration": 1},
            "on the last Sunday of the month at 23:59:59 for 1 s",
        ),
        (
            {"TYPE": "SpecificDatePeriod", "secondsSinceLocalEpoch": 86400 * 365, "duration": 1},
            "on 1971-01-01 at 00:00 for 1 s",
        ),
    ],
)
def test_periods_in_words(period: dict[str, object], text: str) -> None:
    reader = Reader()
    assert words.period(reader.result(reader.read(Period, period, "$"))) == text


def test_the_samples_are_explained() -> None:
    for file in sorted(SAMPLES.glob("*.workflow.json")):
        item = AuthorFile(file).workflow
        assert item is not None
        assert len(list(steps(item))) > 5


def test_a_text_cannot_break_out_of_the_diagram() -> None:
    item = read_workflow(
        {
            "TYPE": "Workflow",
            "path": "W",
            "versionId": "1",
            "instructions": [{"TYPE": "Prompt", "question": '\'"]; click n1 "javascript:alert(1)" <b>\''}],
        }
    )
    assert '"]; click' not in mermaid(item)
    assert "<b>" not in mermaid(item)


# --- schema ---


def test_the_schema_knows_every_instruction_that_an_author_writes() -> None:
    engine_only = {"End", "Gap", "Say", "BreakOrder", "ImplicitEnd"}
    assert set(_INSTRUCTIONS) | engine_only == set(Instruction.REGISTRY) | {"CaseWhen", "Segment"}


def _validator() -> object:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(workflow_schema())
    return jsonschema.Draft202012Validator(workflow_schema())


def test_samples_and_generated_workflows_fit_the_schema() -> None:
    validator = _validator()
    contents = [json.loads(file.read_text()) for file in sorted(SAMPLES.glob("*.workflow.json"))]
    for seed in range(80):
        source = {**generated(Random(seed)), "TYPE": "Workflow"}
        text = json.dumps(source)
        if any(f'"{type_}"' in text for type_ in ("Gap", "Say", "BreakOrder")):
            continue
        contents.append(json.loads(json.dumps(workflow_from_engine(json.loads(text)))))
    assert len(contents) > 20
    for content in contents:
        errors = [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(content)]  # type: ignore[attr-defined]
        assert errors == [], content


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"instructions": [{"TYPE": "Nonsense"}]},
        {"instructions": [{"TYPE": "Execute.Named"}]},
        {"instructions": [{"TYPE": "If", "predicate": "true"}]},
        {"instructions": [{"TYPE": "Try", "try": {"instructions": []}, "catch": {"instructions": []}, "maxTries": 0}]},
    ],
)
def test_the_schema_refuses(content: object) -> None:
    assert list(_validator().iter_errors(content))  # type: ignore[attr-defined]
