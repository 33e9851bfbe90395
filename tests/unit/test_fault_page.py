"""`docs/faults.md` tells what the library is."""

from __future__ import annotations

from pathlib import Path

from labs.inject.faults import library
from labs.inject.faults.__main__ import ABSENT, ROWS, page

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"


def test_the_page_is_what_the_modules_say() -> None:
    assert DOCS.read_text(encoding="utf-8") == page(), "python -m labs.inject.faults > docs/faults.md"


def test_each_row_of_the_catalogue_has_a_fault_or_a_reason_and_never_both() -> None:
    there = {module.NUMBER for module in library().values()} - {0}
    assert there | set(ABSENT) == set(range(1, ROWS + 1))
    assert not there & set(ABSENT)


def test_every_parameter_is_documented() -> None:
    text = page()
    for name, module in library().items():
        section = text.split(f"### {name}\n")[1].split("\n### ")[0]
        own = set(module.Params.model_fields) - {
            f for base in module.Params.__mro__[1:] for f in getattr(base, "model_fields", {})
        }
        assert all(f"`{field}`" in section for field in own), (name, own)
