from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posfw.app.acquirers import load_profiles
from posfw.app.later import later, lazily, load
from posfw.app.office import Office
from posfw.app.verbs import Body, Progress, Verb
from tests.app.fakes import SetClock, opened

# What only people at a desk need; none of it may be loaded when the first card comes.
DESK = (
    "posfw.activate.bundle",
    "posfw.app.accounts",
    "posfw.app.goods",
    "posfw.app.morning",
    "posfw.app.selftest",
    "posfw.printer.preview",
    "posfw.settle.chart",
    "PIL",
)


UNIONPAY = load_profiles()["unionpay"]


class Part:
    built = 0

    def __init__(self) -> None:
        type(self).built += 1

    def verbs(self) -> Mapping[str, Verb]:
        return {"greet": self._greet}

    async def _greet(self, body: Body, _: Progress) -> Body:
        return {"hello": body["name"]}


async def test_a_part_is_built_by_its_first_verb_and_once() -> None:
    Part.built = 0
    table = later(("greet",), Part)
    assert Part.built == 0
    for name in ("a", "b"):
        assert await table["greet"]({"name": name}, lambda _: None) == {"hello": name}
    assert Part.built == 1


async def test_the_office_names_the_verbs_of_its_parts(tmp_path: Path) -> None:
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        office = Office(journal, clock, UNIONPAY, "898440350110001")
        parts: tuple[Any, ...] = (office.goods, office.accounts, office.upkeep)
        assert set(office.verbs()) == {name for part in parts for name in part.verbs()}


def test_a_stand_in_is_the_module_once_it_is_used() -> None:
    sheets = lazily("colorsys")
    assert sheets.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    load()
    assert {"colorsys", "posfw.app.accounts"} <= set(sys.modules)


def test_the_graph_is_there_before_the_desk() -> None:
    program = f"import posfw.cli.run, sys; print([n for n in {DESK!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
