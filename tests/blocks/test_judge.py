"""A real file system with a real journal in it, made without mounting anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.blocks.conftest import KEY
from tests.blocks.judge import judge

pytestmark = [pytest.mark.slow, pytest.mark.may_block]


def test_a_whole_disk_is_read_by_the_terminals_own_reader(image: bytes, tmp_path: Path) -> None:
    found = judge(image, tmp_path / "cut", KEY, {})
    assert (found.unmountable, found.fault, found.missing) == ("", "", False)
    assert found.bad_entry is None
    assert found.counter == 3
    assert not (tmp_path / "cut").exists()


def test_a_code_that_was_told_outside_must_be_there(image: bytes, tmp_path: Path) -> None:
    assert judge(image, tmp_path / "cut", KEY, {1: "00000000"}).bad_entry == 1
    assert judge(image, tmp_path / "cut", KEY, {900: "00000000"}).bad_entry is not None


def test_another_chain_key_finds_a_broken_chain(image: bytes, tmp_path: Path) -> None:
    assert judge(image, tmp_path / "cut", b"x" * 32, {}).bad_entry == 1


def test_a_file_system_without_its_first_block_cannot_be_mounted(
    image: bytes, tmp_path: Path
) -> None:
    broken = bytes(16384) + image[16384:]
    assert "e2fsck -p" in judge(broken, tmp_path / "cut", KEY, {}).unmountable


def test_a_file_system_without_a_journal_file_says_so(image: bytes, tmp_path: Path) -> None:
    other = image.replace(b"journal.db\0", b"jour_al.db\0").replace(b"journal.db", b"jour_al.db")
    disk = tmp_path / "data.img"
    disk.write_bytes(other)
    subprocess.run(
        ["/usr/sbin/e2fsck", "-fy", disk], check=False, capture_output=True
    )  # the directory's checksum
    assert judge(disk.read_bytes(), tmp_path / "cut", KEY, {}).missing


def test_a_damaged_journal_is_a_fault(image: bytes, tmp_path: Path) -> None:
    at = image.index(b"SQLite format 3\0")
    broken = image[: at + 4096] + b"\xff" * 4096 + image[at + 8192 :]
    assert "JournalCorruptError" in judge(broken, tmp_path / "cut", KEY, {}).fault
