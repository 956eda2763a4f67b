"""Generated pages are up to date."""

from __future__ import annotations

import pytest
from tests.documentation import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), "run: make docs"
