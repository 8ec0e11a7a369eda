"""docs/uplink.md names tests that exist, for every point, and the policy's real defaults."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from posfw.board.site import SITE_SCHEMA
from posfw.sale.limits import OfflinePolicy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/uplink.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 40
    assert [f"{file}::{name}" for file, name in named if name not in functions(file)] == []


def test_every_point_of_the_task_has_a_row() -> None:
    points = {int(point) for point in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)}
    assert points == set(range(1, 10))


def test_the_policys_keys_and_defaults_are_those_of_the_program() -> None:
    section = PAGE[PAGE.index("## Offline selling") : PAGE.index("## What is owed")]
    policy = OfflinePolicy()
    keys = SITE_SCHEMA["policy"]
    assert isinstance(keys, dict)
    for key in keys.keys() - {"keyed_allowed"}:
        assert f"`{key}`" in section, key
    said = f"{policy.card_sum_minor / 100:,.2f}, {policy.card_count}"
    assert f"| {said} |" in section
    assert f"| {policy.sum_minor / 100:,.2f}, {policy.count} |" in section
    assert f"| {policy.per_transaction_minor / 100:,.2f} |" in section
    assert f"| {policy.age_h:.0f} |" in section
    assert policy.enabled is False


def test_every_code_of_the_keys_is_explained() -> None:
    source = "".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py"))
    codes = set(re.findall(r"SEC-(0\d\d)\b", source))
    table = PAGE[PAGE.index("| code | state |") : PAGE.index("While the element is out")]
    told = set(re.findall(r"\b(0\d\d)\b", table))
    assert codes == told
