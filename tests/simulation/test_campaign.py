"""The simulation in small; `make simulate` runs days of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.journal.storage import why_not
from tests.simulation.campaign import SEED_DAYS, works
from tests.simulation.options import FAULTS, Options

pytestmark = [
    pytest.mark.may_block,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=f"no simulation: {why_not()}"),
]


def _played(seed: int, *more: str, hashes: str = "0") -> tuple[int, dict[str, Any], str]:
    """Play a seed in a process of its own, as the campaign does."""
    command = [sys.executable, "-m", "tests.simulation", "--replay", str(seed), *more]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": hashes},
    )
    assert done.stdout, done.stderr
    *told, last = done.stdout.splitlines()
    return done.returncode, json.loads(last), "\n".join(told)


def test_one_seed_gives_one_trace() -> None:
    """Also under other hashes of strings: no order comes from a set."""
    _, first, _ = _played(7, "--days", "0.5", hashes="1")
    _, second, _ = _played(7, "--days", "0.5", hashes="2")
    _, other, _ = _played(8, "--days", "0.5", hashes="1")
    assert first == second
    assert first["trace"] != other["trace"]
    assert first["sales"] > 0


def test_a_failing_seed_tells_its_options_and_how_to_play_it_again() -> None:
    code, _, told = _played(1_000_001, "--plant", "forgotten_reversal")
    assert code == 1
    assert "violation: I" in told
    assert "faults:" in told
    assert "--replay 1000001 --days 2 --plant forgotten_reversal" in told


def test_every_fault_is_switched_on_and_off_by_some_seeds() -> None:
    sets = [set(Options.of(seed, 2.0).rates) for seed in range(60)]
    for fault in FAULTS:
        assert 5 < sum(fault in each for each in sets) < 55, fault


def test_days_are_cut_into_seeds_that_no_other_campaign_uses() -> None:
    one, other = works(7.0, 1), works(200.0, 2)
    assert [each.days for each in one] == [SEED_DAYS] * 3 + [1.0]
    assert not {each.seed for each in one} & {each.seed for each in other}
