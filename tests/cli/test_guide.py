from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_guide", ROOT / "scripts/check-guide.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_guide_names_only_what_exists(checker: ModuleType) -> None:
    assert checker.complaints(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("| S7 |", "| S8 |", "missing: [7]"),
        ("`posfw activate submitted`", "`posfw activate handed-in`", "no command"),
        ("`posfw goods import FILE`", "`posfw wares import FILE`", "no command"),
        (
            "test_activation.py::test_the_whole_way",
            "test_activation.py::test_half_the_way",
            "has no",
        ),
        ("tests/app/test_goods.py::", "tests/app/test_wares.py::", "there is no tests"),
        ("| part: typed; the card is not read by the reader yet |", "| part: |", "must be said"),
        (
            "| part: the commands reach all four; screen menus come later |",
            "| done |",
            "needs a named",
        ),
        ("| part: footer and coupon", "| soon: footer and coupon", "state is none"),
    ],
)
def test_whatever_goes_stale_is_told(checker: ModuleType, old: str, new: str, told: str) -> None:
    assert old in TEXT
    found = "\n".join(checker.complaints(TEXT.replace(old, new)))
    assert told in found
