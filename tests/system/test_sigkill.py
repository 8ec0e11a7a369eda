from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system import sigkill

pytestmark = [pytest.mark.system, pytest.mark.may_block, pytest.mark.slow]

KILLS = int(os.environ.get("POSFW_KILLS", "12"))  # `make kills` does 300 and holds them to 2 s


@pytest.mark.timeout(200 + 6 * KILLS)
async def test_no_kill_loses_or_doubles_anything(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = await sigkill.kill_many(KILLS, 5, tmp_path)
    record_property("ready_max_s", found.ready_max_s)
    assert (found.lost, found.doubled, found.corrupt) == (0, 0, 0), found
    assert found.answers > 0
    assert found.unanswered > 0


@pytest.mark.parametrize(
    ("state", "told", "kept"),
    [
        ("approved", ("approved", 100), True),
        ("approved", ("approved", 200), False),
        ("reversing", ("unknown", 100), True),
        ("reversed", ("approved", 100), False),
        ("approved", ("declined", 100), False),
    ],
)
def test_the_judge_sees_what_differs(*, state: str, told: tuple[str, int], kept: bool) -> None:
    assert sigkill.is_kept({(1, 2): (state, 100)}, "12345678-000001-000002", told) is kept


def test_the_judge_sees_what_is_missing() -> None:
    assert not sigkill.is_kept({}, "12345678-000001-000002", ("approved", 100))
