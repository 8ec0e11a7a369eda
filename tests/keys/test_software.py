"""Key files of the software element."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from posfw.keys.software import SoftwareElement, create, load
from posfw.values.errors import KeyStoreError, MisuseError

KEYS = {"initial_key": bytes(range(32)), "initial_key_id": b"POSFW001", "secret": b"s" * 32}


def test_a_key_file_is_its_owners_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    create(path, **KEYS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(path).mac_key(1).mac(b"x") == SoftwareElement(**KEYS).mac_key(1).mac(b"x")


def test_an_existing_key_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    create(path, **KEYS)
    before = path.read_bytes()
    with pytest.raises(KeyStoreError):
        create(path, **(KEYS | {"secret": b"t" * 32}))
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys"
    create(path, **KEYS)
    path.chmod(mode)
    with pytest.raises(KeyStoreError, match="by others"):
        load(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"initial_key": 1}', "\x00", '"x"'])
def test_a_damaged_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(KeyStoreError, match="damaged"):
        load(path)


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError):
        load(tmp_path / "none")


def test_keys_of_the_wrong_size_are_a_misuse() -> None:
    with pytest.raises(MisuseError):
        SoftwareElement(b"short", b"POSFW001", b"s" * 32)
