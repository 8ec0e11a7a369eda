from __future__ import annotations

import json
from pathlib import Path

import pytest

from posfw.app.boards import Shelf, evidence, named_board
from posfw.board.detect import (
    Evidence,
    detect,
    duplicates,
    revision_of,
    split_compatible,
)
from posfw.board.profile import Match
from posfw.values.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
BOARDS = Shelf([ROOT / "boards"]).matches()
TREES = json.loads((ROOT / "tests" / "boards" / "devicetrees.json").read_text(encoding="utf-8"))
OPOS = ("armadeus,imx6ull-opos6uldev", "armadeus,imx6ull-opos6ul", "fsl,imx6ull")
KNOWN = {
    "dev": Match(compatible=("armadeus,imx6ull-opos6uldev",)),
    "module": Match(compatible=("armadeus,imx6ull-opos6ul",)),
    "any-ull": Match(soc=("fsl,imx6ull",), generic=True),
    "own-ull": Match(soc=("fsl,imx6ull",)),
    "box": Match(dmi=("BOX-1",)),
    "host": Match(),
}


def found(compatible: tuple[str, ...] = (), **options: object) -> tuple[str, str]:
    dmi = str(options.pop("dmi", ""))
    known = options.pop("known", KNOWN)
    seen = detect(Evidence(compatible, dmi), known, **options)  # type: ignore[arg-type]  # test options
    return seen.board, seen.by


@pytest.mark.parametrize("board", sorted(set(TREES) - {"qemu-imx6ul"}))
def test_each_board_is_found_by_the_strings_of_its_real_tree(board: str) -> None:
    assert found(tuple(TREES[board]["compatible"]), known=BOARDS) == (board, "compatible")


def test_a_real_imx6ul_is_not_taken_for_the_emulated_one() -> None:
    with pytest.raises(ConfigError, match=r"fsl,imx6ul-14x14-evk"):
        found(tuple(TREES["qemu-imx6ul"]["compatible"]), known=BOARDS)


def test_the_first_string_that_anybody_claims_wins() -> None:
    assert found(OPOS) == ("dev", "compatible")
    assert found(OPOS[1:]) == ("module", "compatible")
    assert found(OPOS[2:]) == ("any-ull", "soc")


@pytest.mark.parametrize("text", ["fsl,imx6ul", "fsl,imx6ulll", "armadeus", "imx6ull", ""])
def test_part_of_a_string_selects_nothing(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        found((text,))
    assert caught.value.stable_code == "CFG-005"


def test_without_a_tree_dmi_counts_and_then_the_host() -> None:
    assert found(dmi="BOX-1") == ("box", "dmi")
    assert found() == ("host", "fallback")


def test_production_never_falls_back() -> None:
    with pytest.raises(ConfigError) as caught:
        found(production=True)
    assert caught.value.stable_code == "CFG-005"


def test_an_override_that_the_machine_contradicts_is_refused_in_production_only() -> None:
    assert found(OPOS, override="box") == ("box", "override")
    with pytest.raises(ConfigError) as caught:
        found(OPOS, override="box", production=True)
    assert caught.value.stable_code == "CFG-004"
    assert found(OPOS, override="dev", production=True) == ("dev", "override")


def test_an_override_may_name_a_machine_that_nobody_knows() -> None:
    assert found(("new,board",), override="box", production=True) == ("box", "override")


def test_an_unknown_override_is_refused() -> None:
    with pytest.raises(ConfigError, match="no board 'bx'"):
        found(override="bx")


def test_strings_end_at_nul_and_are_kept_in_order() -> None:
    assert split_compatible(b"a,b\0c,d\0") == ("a,b", "c,d")
    assert split_compatible(b"") == ()


def test_two_boards_with_one_string_are_told() -> None:
    twice = {"a": Match(compatible=("x,y",)), "b": Match(compatible=("x,y",))}
    assert duplicates(twice) == ["b: match.compatible: 'x,y' already selects a"]


def test_a_revision_is_read_or_the_default() -> None:
    match = Match(revisions={"2": "revB"}, revision_default="revA")
    assert [revision_of(match, told) for told in ("2\n", "2\0", "3", None)] == [
        "revB",
        "revB",
        "revA",
        "revA",
    ]


def test_evidence_and_override_are_read_below_a_root(tmp_path: Path) -> None:
    (tmp_path / "sys/firmware/devicetree/base").mkdir(parents=True)
    (tmp_path / "sys/firmware/devicetree/base/compatible").write_bytes(
        b"ti,am335x-bone-black\0ti,am33xx\0"
    )
    (tmp_path / "etc/posfw").mkdir(parents=True)
    (tmp_path / "etc/posfw/board").write_text("rpi-cm4\n", encoding="utf-8")
    assert evidence(tmp_path).compatible == ("ti,am335x-bone-black", "ti,am33xx")
    assert evidence(tmp_path / "nothing") == Evidence()
    assert named_board({}, tmp_path) == "rpi-cm4"
    assert named_board({"POSFW_BOARD": "host"}, tmp_path) == "host"
    shelf = Shelf([ROOT / "boards"], tmp_path)
    assert shelf.detect().board == "beaglebone-black"
