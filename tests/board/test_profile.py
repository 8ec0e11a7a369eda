from __future__ import annotations

from pathlib import Path

import pytest

from posfw.board.profile import parse
from posfw.values.errors import ConfigError

BOARDS = Path(__file__).resolve().parents[2] / "boards"
PROFILES = sorted(BOARDS.glob("*/board.toml"))
HOST = (BOARDS / "host" / "board.toml").read_text(encoding="utf-8")

HEAD = """
[printer.head]
resistance_ohm = 180
r_min_ohm = 162
voltage_min = 5.5
voltage_max = 8.0
max_dots_on = 64
max_pulse_us = 3500
[power]
budget_ma = 3500
motor_ma = 300
"""


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.parent.name)
def test_every_shipped_profile_is_right(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    profile = parse(text, source=str(path), board_id=path.parent.name)
    assert profile.id == path.parent.name
    assert (path.parent / "README.md").is_file()


def mistakes(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, source="board.toml", board_id="host")
    assert caught.value.exit_code == 78
    return caught.value.cause


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = HOST.replace("baud = 9600", 'baud = "fast"').replace("dots = 384", "dotts = 384")
    told = mistakes(text)
    line = text.splitlines().index("dotts = 384") + 1
    assert f"board.toml:{line}: printer.dotts: is not known here; did you mean 'dots'?" in told
    assert "serial.card.baud: must be int" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("resume_c = 60", "resume_c = 75", "at least 5 above"),
        ("slow_c = 60", "slow_c = 78", "slow_c <= stop_c <= max_c"),
        ('id = "host"', 'id = "hots"', "must equal the folder"),
        ("schema = 1", "schema = 2", "must be 1"),
        ("schema = 1", "", "schema: is missing"),
        ("dots = 384", "dots = true", "must be int"),
        ("[printer]", "[printer", "CFG"),
    ],
)
def test_a_wrong_value_is_named(old: str, new: str, told: str) -> None:
    assert old in HOST
    with pytest.raises(ConfigError) as caught:
        parse(HOST.replace(old, new), source="board.toml", board_id="host")
    assert told in str(caught.value)


def test_a_head_within_supply_and_pulse_is_taken() -> None:
    assert parse(HOST + HEAD, source="b", board_id="host").printer.head is not None


def test_a_head_that_asks_more_than_the_supply_gives_is_refused() -> None:
    assert "power.budget_ma is 3000" in mistakes(HOST + HEAD.replace("3500\nm", "3000\nm"))


def test_a_pulse_longer_than_the_head_stands_is_refused() -> None:
    told = mistakes(HOST + HEAD.replace("max_pulse_us = 3500", "max_pulse_us = 2000"))
    assert "is less than the" in told
