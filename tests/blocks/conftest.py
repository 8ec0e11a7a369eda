"""Small real file systems, made without mounting anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from posfw.journal.store import Journal
from posfw.sim.rig import TERMINAL
from posfw.values.events import Record, Topic
from tests.blocks.judge import missing

KEY = b"k" * 32
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
Make = Callable[[Path], bytes]


class _Clock:
    def monotonic(self) -> float:
        return anyio.current_time()

    def now(self) -> datetime:
        return NOW


@pytest.fixture(scope="module")
def make_disk(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a maker of an ext4 of 8 MiB with a folder's files, the same for the same files."""
    tool = shutil.which("mke2fs", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if why := missing() or ("" if tool else "mke2fs not installed (Debian: e2fsprogs)"):
        pytest.skip(why)
    disk = tmp_path_factory.mktemp("disk") / "data.img"
    number = "3f1c2b8e-5d64-4f0a-9f6e-0d9c4f5a7b21"

    def make(files: Path) -> bytes:
        disk.unlink(missing_ok=True)
        words = [str(tool), "-q", "-t", "ext4", "-U", number, "-E", f"hash_seed={number}"]
        environment = os.environ | {"E2FSPROGS_FAKE_TIME": "1764000000"}
        subprocess.run([*words, "-d", files, disk, "8M"], check=True, env=environment)
        return disk.read_bytes()

    return make


@pytest.fixture(scope="module")
def image(make_disk: Make, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small ext4 with a journal of some entries."""
    files = tmp_path_factory.mktemp("files")
    anyio.run(_journal, files / "journal.db")
    return make_disk(files)


async def _journal(path: Path) -> None:
    async with Journal.open(
        path, terminal=TERMINAL, chain_key=KEY, clock=_Clock(), create=True
    ) as journal:
        await journal.append(Record(Topic.SYSTEM, "started", NOW))
        await journal.reserve_counters(3)
