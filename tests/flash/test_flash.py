from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest
from station.flash import main
from station.outcome import Exit

from tests.flash.benchtools import SIZE, holds, make_image, make_target

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "flash" / "write"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "image")


def run(image: Path, *arguments: str, answer: str = "") -> int:
    state = str(image.parent / "state")
    return main(
        [str(image), "--state", state, "--progress", "none", *arguments], ask=lambda _: answer
    )


def untouched(target: Path) -> bool:
    return set(target.read_bytes()) == {0xA5}


def test_the_script_writes_with_the_systems_python_alone(image: Path, tmp_path: Path) -> None:
    target = make_target(tmp_path)
    command = [str(SCRIPT), str(image), "--target", target.ident, "--unsigned", "--yes", "--json"]
    command += ["--progress", "json", "--state", str(tmp_path / "state")]
    program = (
        f"import sys, runpy; sys.path.insert(0, {str(SCRIPT.parent)!r});"
        f" sys.argv = {command!r}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    # -I -S: neither this environment's packages nor the user's are there.
    alone = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(alone, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit"]) == (0, 0)
    assert told["targets"][0]["verified"] == told["targets"][0]["written"] > 0
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[0].keys() == {"event", "target", "phase", "percent", "left_s"}
    assert holds(target.path, image)


def test_the_operator_types_the_end_of_the_serial(image: Path, tmp_path: Path) -> None:
    target = make_target(tmp_path, "unit-4711")
    arguments = ["--target", target.ident, "--unsigned"]
    assert run(image, *arguments, answer="4712") == Exit.REFUSED
    assert untouched(target.path)
    assert run(image, *arguments, answer="4711") == Exit.OK
    assert holds(target.path, image)


def test_a_plan_tells_every_range_and_changes_nothing(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = make_target(tmp_path)
    assert run(image, "--target", target.ident, "--unsigned", "--plan", "--json") == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert "open" in steps[1]
    assert "empty bytes 0 to 1048575" in steps[2]
    assert "bytes 0 to" in steps[-1]
    assert untouched(target.path)
    assert not (image.parent / "state").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--unsigned"], Exit.USAGE),
        ([], Exit.USAGE),
        (["--unsigned", "--usb", "15a2"], Exit.USAGE),
        (["--unsigned", "--target", "/dev/sda"], Exit.REFUSED),
        (["--unsigned", "--target", "file:{image}"], Exit.REFUSED),
        (["--unsigned", "--target", "file:{target}", "--target", "file:{target}"], Exit.REFUSED),
        (["--unsigned", "--target", "file:{small}"], Exit.REFUSED),
        (["--unsigned", "--target", "file:{target}", "--board", "rpi-cm4"], Exit.INPUT),
        (["--target", "file:{target}", "--key", "{target}"], Exit.INPUT),
        (["--unsigned", "--target", "file:{target}", "--size-max", "10"], Exit.REFUSED),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_byte(
    arguments: list[str], code: Exit, image: Path, tmp_path: Path
) -> None:
    target = make_target(tmp_path)
    small = make_target(tmp_path, "small", SIZE - 1)
    places = {"image": image, "target": target.path, "small": small.path}
    given = [text.format(**places) for text in arguments]
    assert run(image, *given, "--yes") == code
    assert untouched(target.path)
    assert untouched(small.path)


@pytest.mark.parametrize("damage", ["flip", "cut", "manifest", "gone"])
def test_an_image_that_is_not_whole_touches_no_target(
    damage: str, image: Path, tmp_path: Path
) -> None:
    target = make_target(tmp_path)
    manifest = image.with_name(image.name + ".manifest.json")
    data = bytearray(image.read_bytes())
    if damage == "flip":
        data[3_000_000 - 800_000] ^= 0x80
        image.write_bytes(data)
    elif damage == "cut":
        image.write_bytes(data[:-1])
    elif damage == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:-20])
    else:
        manifest.unlink()
    wanted = Exit.NOT_FOUND if damage == "gone" else Exit.INPUT
    assert run(image, "--target", target.ident, "--unsigned", "--yes") == wanted
    assert untouched(target.path)


def test_a_target_changed_between_question_and_answer_is_refused(
    image: Path, tmp_path: Path
) -> None:
    target = make_target(tmp_path, "unit-4711")

    def swap(_: str) -> str:
        make_target(tmp_path, "unit-4711", SIZE + 8192)
        return "4711"

    arguments = ["--target", target.ident, "--unsigned", "--progress", "none"]
    state = str(tmp_path / "state")
    assert main([str(image), "--state", state, *arguments], ask=swap) == Exit.REFUSED
    assert untouched(target.path)


def test_two_processes_never_write_one_target(image: Path, tmp_path: Path) -> None:
    target = make_target(tmp_path)
    arguments = ["--target", target.ident, "--unsigned", "--yes"]
    assert run(image, *arguments) == 0
    (lease,) = (image.parent / "state").glob("*.lease")
    target.path.write_bytes(b"\xa5" * (SIZE + 4096))
    with lease.open("w", encoding="ascii") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(image, *arguments) == Exit.BUSY
    assert untouched(target.path)
