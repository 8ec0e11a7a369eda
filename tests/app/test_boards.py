from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from posfw.app.boards import Parent, Shelf
from posfw.app.new_board import write_new_board
from posfw.board.detect import Evidence
from posfw.board.profile import Match
from posfw.cli.main import main
from posfw.values.errors import ConfigError, RefusedError

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "boards"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site" / "imx6ull-evk" / "board.d"
    folder.mkdir(parents=True)
    return folder


def test_a_drop_in_adds_and_one_of_the_same_name_masks(site: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(BOARDS, base)
    weak = base / "imx6ull-evk" / "board.d"
    weak.mkdir()
    (weak / "10-ram.toml").write_text("[soc]\nram_mib = 64\n", encoding="utf-8")
    (weak / "20-disk.toml").write_text("[storage]\nreserve_mib = 99\n", encoding="utf-8")
    shelf = Shelf([site.parents[1], base])
    assert shelf.load("imx6ull-evk").table("soc")["ram_mib"] == 64
    (site / "10-ram.toml").write_text("", encoding="utf-8")
    profile = shelf.load("imx6ull-evk")
    assert profile.table("soc")["ram_mib"] == 512
    assert profile.reserve_mib == 99


def test_a_mistake_in_a_drop_in_is_told_with_the_drop_ins_name(site: Path) -> None:
    (site / "10-ram.toml").write_text("\n[soc]\nram = 64\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"10-ram\.toml:3: soc\.ram: is not known here"):
        Shelf([site.parents[1], BOARDS]).load("imx6ull-evk")


def test_a_board_in_a_stronger_folder_masks_the_weaker(tmp_path: Path) -> None:
    own = tmp_path / "host"
    own.mkdir()
    text = (BOARDS / "host" / "board.toml").read_text(encoding="utf-8")
    (own / "board.toml").write_text(text.replace("Host (", "Own ("), encoding="utf-8")
    assert Shelf([tmp_path, BOARDS]).load("host").name.startswith("Own")


@pytest.mark.parametrize("name", ["soc/../host", "soc/", "chip/imx6ull", "soc/x/y", "imx6ull"])
def test_a_parent_is_one_file_of_a_known_kind(name: str) -> None:
    assert Parent([BOARDS])(name) is None


def test_an_unknown_board_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'imx6ull-evk'"):
        Shelf([BOARDS]).load("imx6ul-evk")


def test_a_text_that_is_not_utf8_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "board.toml").write_bytes(b"id = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 6"):
        Shelf([tmp_path]).load("x")


def test_a_revision_file_of_the_machine_is_read(tmp_path: Path) -> None:
    (tmp_path / "rev").write_bytes(b"2\0")
    match = Match(revision_file="/rev", revisions={"2": "revB"}, revision_default="revA")
    assert Shelf([], tmp_path).revision(match) == "revB"
    assert Shelf([], tmp_path / "none").revision(match) == "revA"


def test_a_new_board_passes_its_check_before_it_is_filled_in(tmp_path: Path) -> None:
    seen = Evidence(compatible=('acme,"p3"', "fsl,imx6ull"))
    write_new_board(tmp_path, "acme-p3", extends=("soc/imx6ull",), seen=seen)
    profile = Shelf([tmp_path, BOARDS]).load("acme-p3")
    assert profile.compatible == ('acme,"p3"',)
    assert profile.watchdog == ("imx2+ watchdog", 60)
    with pytest.raises(RefusedError, match="is there already"):
        write_new_board(tmp_path, "acme-p3", extends=(), seen=seen)
    with pytest.raises(ConfigError, match="cannot be a board's id"):
        write_new_board(tmp_path, "../p3", extends=(), seen=seen)


def test_the_command_line_lists_shows_checks_and_explains(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSFW_BOARDS", str(BOARDS))
    assert main(["board", "check"]) == 0
    assert "host: ok" in capsys.readouterr().out
    assert main(["board", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["id"] for row in listed["boards"]} >= {"host", "qemu-imx6ul", "rpi-cm4"}
    assert main(["board", "show", "imx6ull-evk", "--explain"]) == 0
    assert "_soc/imx6ull.toml:5" in capsys.readouterr().out
    assert main(["board", "show", "host"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "host"


def test_a_wrong_board_exits_78_with_every_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSFW_BOARDS", str(BOARDS))
    wrong = str(ROOT / "tests" / "boards" / "wrong" / "twenty")
    assert main(["board", "check", wrong, "host", "--json"]) == 78
    told = json.loads(capsys.readouterr().out)
    assert [len(row["mistakes"]) for row in told["boards"]] == [20, 0]
    assert main(["board", "check", "nothing-like-it"]) == 78
    assert "There is no board" in capsys.readouterr().out


def test_detection_is_told_with_its_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSFW_BOARDS", str(BOARDS))
    monkeypatch.delenv("POSFW_BOARD", raising=False)
    (tmp_path / "sys/firmware/devicetree/base").mkdir(parents=True)
    (tmp_path / "sys/firmware/devicetree/base/compatible").write_bytes(
        b"fsl,imx8mm-evk\0fsl,imx8mm\0"
    )
    assert main(["board", "detect", "--root", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["board"] == "imx8mm-evk"
    root = ["--root", str(tmp_path)]
    assert main(["board", "detect", *root, "--board", "host", "--production"]) == 78
    assert "CFG-004" in capsys.readouterr().err
