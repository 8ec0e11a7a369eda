from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.app.boards import Parent, Shelf
from posfw.board.profile import BoardProfile, parse
from posfw.board.sources import Source
from posfw.values.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "boards"
RIGHT = ROOT / "tests" / "boards" / "right"
WRONG = ROOT / "tests" / "boards" / "wrong"
PROFILES = sorted(BOARDS.glob("*/board.toml"))
HOST = (BOARDS / "host" / "board.toml").read_text(encoding="utf-8")
ACME = (RIGHT / "acme-imx6ull-p2" / "board.toml").read_text(encoding="utf-8")
TREES = json.loads((ROOT / "tests" / "boards" / "devicetrees.json").read_text(encoding="utf-8"))
PARENTS = Parent([BOARDS])


def acme(text: str = ACME, revision: str = "") -> BoardProfile:
    return parse(
        text, source="board.toml", board_id="acme-imx6ull-p2", parents=PARENTS, revision=revision
    )


def mistakes(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        acme(text)
    assert caught.value.exit_code == 78
    return caught.value.cause


@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.parent.name)
def test_every_shipped_profile_is_right_and_says_what_was_tried(path: Path) -> None:
    profile = Shelf([BOARDS]).load(path.parent.name)
    readme = (path.parent / "README.md").read_text(encoding="utf-8")
    assert profile.id == path.parent.name
    assert profile.tried
    for told in ("Wiring:", "Lamps:", "Quirks:", "Tried:"):
        assert told in readme
    # Supported means run on the real board; until somebody has, no profile may claim it.
    assert profile.status in ("wip", "simulated")


@pytest.mark.parametrize("board", sorted(TREES))
def test_names_agree_with_debians_own_device_trees(board: str) -> None:
    profile, tree = Shelf([BOARDS]).load(board), TREES[board]
    if not profile.simulated:
        assert profile.compatible[0] == tree["compatible"][0]
        lamps = [s.name for key, s in profile.sources.items() if key.startswith("leds.")]
        assert set(lamps) <= set(tree["lamps"])
    assert profile.match.soc[0] in tree["compatible"][1:]
    ports = profile.table("serial").values()
    named = [port["of_node"] for port in ports if "of_node" in port]
    assert named
    assert set(named) <= set(tree["uarts"])


def test_no_two_boards_claim_the_same_string() -> None:
    assert Shelf([BOARDS]).conflicts() == []


def test_twenty_mistakes_are_told_at_once_each_at_its_line() -> None:
    path = WRONG / "twenty" / "board.toml"
    with pytest.raises(ConfigError) as caught:
        Shelf([BOARDS]).load(str(path.parent))
    told = caught.value.cause.splitlines()
    wanted = {
        number: line.split("# mistake: ")[1].split("; ")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "# mistake: " in line
    }
    assert len(wanted) == 20
    found: dict[int, str] = {}
    for line in told:
        match = re.match(rf"{re.escape(str(path))}:(\d+): ", line)
        assert match, line
        found[int(match[1])] = found.get(int(match[1]), "") + line
    assert found.keys() == wanted.keys()
    for number, parts in wanted.items():
        assert all(part in found[number] for part in parts), (number, found[number])


def test_the_worked_example_is_composed_of_chip_mechanism_and_file() -> None:
    profile = acme()
    assert profile.printer.head is not None
    assert profile.printer.head.r_min_ohm == 162
    assert profile.thermistor is not None
    assert (profile.thermistor.r25_ohm, profile.thermistor.pullup_ohm) == (30_000, 10_000)
    assert profile.match.soc == ("fsl,imx6ull",)
    assert profile.watchdog == ("imx2+ watchdog", 60)
    assert "console" not in profile.table("serial")
    assert profile.sources["printer.paper.end"] == Source("gpio", "PAPER_N", active_low=True)
    assert profile.ports["modem"].path == "of_node:/soc/bus@2100000/serial@21ec000"


def test_a_revision_changes_what_it_names_only() -> None:
    profile = acme(revision="revB")
    assert profile.thermistor is not None
    assert (profile.thermistor.r25_ohm, profile.thermistor.pullup_ohm) == (30_000, 22_000)
    assert profile.revision == "revB"


def test_a_mistake_in_another_revision_is_told_with_its_name() -> None:
    told = mistakes(ACME.replace("pullup_ohm = 22000", "pullup_ohm = 22"))
    assert "(revision revB)" in told
    assert "counts" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"soc/imx6ull"', '"soc/imx6"', "extends: there is no 'soc/imx6'"),
        ('"serial.console"', '"serial.consol"', "there is nothing to remove"),
        ('default = "revA"', 'default = "revC"', "none of the revisions revA, revB"),
        ('"iio:name=2198000.adc,voltage0"', '"none"', "nothing stops it"),
        ("vref_mv = 1800\n", "", "lacks vref_mv"),
        ("pullup_ohm = 10000", "pullup_ohm = 1000000", "outside what the converter can tell"),
        ("budget_ma = 3500", "budget_ma = 3400", "take 3460 mA with the motor"),
        ("dpi = 165", "dpi = 300", "5.4 mm; a finger needs 9 mm"),
        ('"gpio:DRAWER"', '"gpio:COVER"', "gpio:COVER already belongs to printer.paper.cover"),
        ('element = "pkcs11"', 'element = "software"', "for simulated boards only"),
        ('methods = ["block"]', 'methods = ["blok"]', "did you mean 'block'"),
        ("pid = 0x0080", "pid = 0x10080", "16-bit"),
        ("[card]", "[printer]\nmax_speed_mm_s = 90\n[card]", "faster than the head"),
        ("[card]", "[printer]\nline_mm = 0.2\n[card]", "does not fit 203 dpi"),
        (
            "[power]",
            "[printer.head]\nvoltage_nominal = 9\n[power]",
            "must lie between voltage_min",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(old: str, new: str, told: str) -> None:
    assert ACME.count(old) == 1
    assert told in mistakes(ACME.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("resume_c = 60", "resume_c = 75", "at least 5 above"),
        ("resume_c = 60", "resume_c = 80", "at least 5 above"),
        ("slow_c = 60", "slow_c = 78", "78 must not be above stop_c (75)"),
        ("max_c = 80", "max_c = 70", "75 must not be above max_c (70)"),
        ("max_c = 80", "max_c = 79", "79 must be at least 5 above stop_c (75)"),
        ("max_c = 80", "max_c = 80\nambient_c = 60", "60 must be below resume_c (60)"),
        ("rise_c_per_kdot = 0.02", "rise_c_per_kdot = 6", "alone heats by 55.3 C"),
        ("max_c = 80", "max_c = 80\nmax_age_s = 0.2", "must be at least 0.5"),
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


def test_the_figures_of_the_head_are_those_of_the_datasheet_example() -> None:
    """Seiko's example: 64 dots at 8.0 V draw 3.16 A; the longest pulse is 3.38 ms, 3,378 us."""
    assert "take 3460 mA" in mistakes(ACME.replace("budget_ma = 3500", "budget_ma = 3459"))
    limit = "[power]", "[printer.head]\nmax_pulse_us = 3370\n[power]"
    assert "3370 is less than the 3378 us" in mistakes(ACME.replace(*limit))
    assert acme(ACME.replace("budget_ma = 3500", "budget_ma = 3461")).printer.head is not None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 75),
            st.sampled_from(
                ["", "x = 1", "[printer]", "[a.b]", "= 3", 'serial = "x"', "dots = []"]
            ),
        ),
        max_size=5,
    )
)
def test_any_damage_is_one_error_or_still_a_profile(changes: list[tuple[int, str]]) -> None:
    lines = ACME.splitlines()
    for number, new in changes:
        lines[number % len(lines)] = new
    try:
        profile = acme("\n".join(lines))
    except ConfigError as error:
        assert re.search(r"^board\.toml\S*: ", error.cause)  # noqa: PT017 - either way is right
    else:
        assert profile.id == "acme-imx6ull-p2"
