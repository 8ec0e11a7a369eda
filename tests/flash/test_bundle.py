"""Bundles at the bench: what is refused before anything is signed."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from station.bundle import main
from station.outcome import Exit
from station.signing import development_keys, kind_of

pytestmark = [pytest.mark.may_block, pytest.mark.slow]

WORDS = ("--board", "host", "--version", "0.2.0", "--counter", "1", "--schema", "1-2", "--from",
    "0.1.0", "--json")  # fmt: skip


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    gone = [tool for tool in ("rauc", "openssl", "mksquashfs") if shutil.which(tool) is None]
    if gone:
        pytest.skip(f"not installed: {', '.join(gone)}")
    folder = tmp_path / "slot"
    folder.mkdir()
    for name in ("root.squashfs", "kernel.ext4"):
        (folder / name).write_bytes(random.Random(name).randbytes(20_000))
    return folder


def test_development_keys_are_made_once_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("not installed: openssl")
    keys = development_keys(tmp_path / "keys")
    before = keys.key.read_bytes()
    assert keys.key.stat().st_mode & 0o077 == 0
    assert development_keys(tmp_path / "keys").key.read_bytes() == before
    assert kind_of(keys.certificate) == "development"


def test_a_bundle_is_made_and_told(
    slot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "b.raucb"
    words = [
        *WORDS,
        "--slot",
        str(slot),
        "--out",
        str(target),
        "--development",
        str(tmp_path / "k"),
    ]
    assert main(words) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["bytes"], told["keys"]) == (target.stat().st_size, "development")


def test_a_release_is_not_signed_with_a_development_key(slot: Path, tmp_path: Path) -> None:
    keys = development_keys(tmp_path / "k")
    target = tmp_path / "b.raucb"
    words = [*WORDS, "--slot", str(slot), "--out", str(target)]
    words += ["--authority", str(keys.authority), "--certificate", str(keys.certificate)]
    assert main(words) == Exit.USAGE
    assert main([*words, "--key", str(keys.key)]) == Exit.REFUSED
    assert not target.exists()


def test_a_slot_without_its_files_is_named(tmp_path: Path, slot: Path) -> None:
    (slot / "kernel.ext4").unlink()
    words = [*WORDS, "--slot", str(slot), "--out", str(tmp_path / "b.raucb")]
    assert main([*words, "--development", str(tmp_path / "k")]) == Exit.NOT_FOUND
