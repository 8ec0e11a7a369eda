"""What a disk holds: file system by e2fsprogs, journal by the terminal's own reader."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio

from posfw.journal.store import Journal
from posfw.sim.rig import TERMINAL
from posfw.values.errors import PosfwError
from posfw.values.printjob import DocumentKind, JobState
from tests.blocks.world import Found, Place

__all__ = ["judge", "missing"]

TOOLS: Final = ("e2fsck", "debugfs")
# e2fsck(8): 0 no errors, 1 corrected; the guest's start-up also corrects with -p and mounts.
MENDED: Final = (0, 1)
ABSENT: Final = "File not found by ext2_lookup"


class _Clock:
    """ports.Clock of the machine that judges."""

    def monotonic(self) -> float:
        return anyio.current_time()

    def now(self) -> datetime:
        return datetime.now(UTC)


def missing() -> str:
    """Return what is not installed, "" if everything is."""
    gone = [tool for tool in TOOLS if shutil.which(tool, path=_path()) is None]
    return f"{', '.join(gone)} not installed (Debian: e2fsprogs)" if gone else ""


def judge(image: bytes, folder: Path, chain_key: bytes, codes: Mapping[int, str]) -> Found:
    """Mend the file system as a start does, take the journal out, open and read it.

    Args:
        image: the data partition after a cut.
        folder: an empty place to work in; it is left empty.
        chain_key: start key of the journal's chain.
        codes: short codes of entries that were told outside.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        disk = folder / "data.img"
        disk.write_bytes(image)
        if told := _mend(disk):
            return Found(unmountable=told)
        names = _take_out(disk, folder)
        if "journal.db" not in names:
            return Found(missing=True)
        return anyio.run(_read, folder / "journal.db", chain_key, codes)
    finally:
        shutil.rmtree(folder)


def _path() -> str:
    return "/usr/sbin:/sbin:/usr/bin:/bin"


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": _path(), "LC_ALL": "C"}
    return subprocess.run(
        words, check=False, capture_output=True, text=True, errors="replace", env=environment
    )


def _mend(disk: Path) -> str:
    """Replay the file system's journal, then look at all of it; "" if it is whole."""
    for words in (("e2fsck", "-p"), ("e2fsck", "-fn")):
        done = _run(*words, disk)
        if done.returncode not in (MENDED if "-p" in words else (0,)):
            told = " ".join((done.stdout + done.stderr).split())
            return f"{' '.join(words)} ended with {done.returncode}: {told[-400:]}"
    return ""


def _take_out(disk: Path, folder: Path) -> set[str]:
    """Copy the journal's files out of a file system; SQLite's shared memory is made anew."""
    listed = _run("debugfs", "-R", "ls -p /", disk)
    if listed.returncode:
        raise OSError(f"debugfs cannot list: {listed.stderr}")
    # /inode/mode/user/group/name/size/
    names = {
        line.split("/")[5]
        for line in listed.stdout.splitlines()
        if line.startswith("/") and line.split("/")[2].startswith("10")
    }
    chosen = {name for name in names if name.startswith("journal.") and "-shm" not in name}
    for name in chosen:
        done = _run("debugfs", "-R", f"dump /{name} {folder / name}", disk)
        if not (folder / name).is_file():
            raise OSError(f"debugfs cannot take out {name}: {done.stderr}")
    return chosen


async def _read(path: Path, chain_key: bytes, codes: Mapping[int, str]) -> Found:
    try:
        async with Journal.open(
            path, terminal=TERMINAL, chain_key=chain_key, clock=_Clock()
        ) as journal:
            bad = await journal.verify(codes)
            rows: dict[Place, tuple[str, int]] = {}
            for batch in await journal.batch_numbers():
                for each in await journal.transactions(batch):
                    key = each.begun.key
                    minor = each.begun.intent.amount.minor
                    rows[(key.batch, key.stan)] = (each.state.value, minor)
            closed = [int(str(batch["batch"])) for batch in await journal.batches(1000)]
            queued = {
                (int(job.ref.subject.split("-")[2]), job.copy.value.upper())
                for job in await journal.jobs(JobState.QUEUED)
                if job.ref.kind is DocumentKind.RECEIPT and not job.duplicate
            }
            counter = (await journal.position())["ksn"]
    except (PosfwError, sqlite3.Error) as error:
        return Found(fault=f"{type(error).__name__}: {error}")
    return Found(
        bad_entry=bad,
        rows=rows,
        closed=frozenset(closed),
        counter=counter,
        queued=frozenset(queued),
    )
