"""The table of functional blocks in docs/emv.md names modules and tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/emv.md").read_text("utf-8")
# What issue and Books call a block; each must have its row.
BLOCKS = (
    "application selection", "partial names", "cardholder choice", "blocked",
    "unknown applications", "initiate application processing", "read application data",
    "offline data authentication",
    "SDA", "DDA", "CDA", "CA keys and revocation", "processing restrictions",
    "cardholder verification", "offline PIN", "online PIN", "UnionPay", "terminal risk management",
    "exception file", "random selection", "velocity", "terminal action analysis",
    "first GENERATE AC", "online processing", "issuer authentication", "issuer scripts",
    "second GENERATE AC", "completion", "torn cards", "fall-back",
)  # fmt: skip
# Modules that are no block: shapes, words and tables that blocks use.
SHARED = {"apdu", "codes", "context", "dol", "effects", "loading", "pan", "parameters", "tags",
          "terminal"}  # fmt: skip
ROW = re.compile(r"\| ([^|]+) \| ([^|]+) \| `([^`|]+)` \| `([^`|]+)::([^`|]+)` \|")
SECTION = re.compile(r"[1-4], (?:annex [A-D]\d|\d+)|PBOC, text not at hand")


def rows(text: str) -> list[tuple[str, ...]]:
    """Return the rows of the table: block, section, module, file and name of the test."""
    part = text.partition("## Functional blocks")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    found = [ROW.fullmatch(line) for line in lines]
    assert None not in found, [line for line, row in zip(lines, found, strict=True) if row is None]
    return [row.groups() for row in found if row is not None]


def wrong(text: str) -> list[str]:
    """Return what the table says and is not so."""
    told, modules = [], set()
    table = rows(text)
    for block, section, module, file, name in table:
        modules.add(Path(module).stem)
        if not SECTION.match(section):
            told.append(f"{block}: no Book and section")
        if not (ROOT / module).is_file():
            told.append(f"{block}: there is no {module}")
        if not (ROOT / file).is_file() or name not in names(ROOT / file):
            told.append(f"{block}: there is no {file}::{name}")
    told += [f"{each}: no row" for each in BLOCKS if not any(each in row[0] for row in table)]
    here = {path.stem for path in (ROOT / "src/posfw/emv").glob("*.py")} - {"__init__"}
    return told + [f"{each}.py: in no row" for each in sorted(here - SHARED - modules)]


def names(file: Path) -> set[str]:
    """Return the tests of a file."""
    tree = ast.parse(file.read_text("utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_every_block_has_its_section_module_and_test() -> None:
    assert wrong(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("test_velocity`", "test_velocities`", "velocity: there is no tests"),
        ("`src/posfw/emv/risk.py`", "`src/posfw/emv/risks.py`", "there is no src"),
        ("| 3, 10.6.3 |", "| somewhere |", "velocity: no Book"),
        ("| torn cards |", "| torn |", "torn cards: no row"),
        ("emv/action.py", "emv/risk.py", "action.py: in no row"),
    ],
)
def test_a_table_that_went_stale_is_told(old: str, new: str, told: str) -> None:
    assert old in TEXT
    assert any(told in each for each in wrong(TEXT.replace(old, new)))
