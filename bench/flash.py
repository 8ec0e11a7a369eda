"""The flashing claim: writing and proving an image against bmaptool and a checksum read."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from bench.claim import ROUNDS, Claim

SIZE = 1 << 30
EXTENTS = 64  # of 4 MiB each: 256 MiB mapped, like a Debian root image of ours
EXTENT = 4 << 20
SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "flash" / "write"


def _image(folder: Path) -> Path:
    path = folder / "disk.img"
    chance = random.Random(7)
    with path.open("wb") as file:
        file.truncate(SIZE)
        for number in range(EXTENTS):
            file.seek(number * (SIZE // EXTENTS))
            file.write(chance.randbytes(EXTENT))
        os.fsync(file.fileno())
    return path


def _fresh(folder: Path) -> Path:
    target = folder / "target"
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.truncate(SIZE)
    shutil.rmtree(folder / "state", ignore_errors=True)
    os.sync()
    return target


def _ours(image: Path, folder: Path) -> float:
    target = _fresh(folder)
    command = [sys.executable, str(SCRIPT), str(image), "--target", f"file:{target}"]
    command += ["--unsigned", "--yes", "--state", str(folder / "state"), "--progress", "none"]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - began


def _bmaptool(image: Path, folder: Path) -> float:
    """Copy by bmaptool, sync, drop the cache, read the mapped target and compare its sums."""
    target = _fresh(folder)
    bmap = folder / "disk.bmap"
    began = time.monotonic()
    command = ["bmaptool", "--quiet", "copy", "--bmap", str(bmap), str(image), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    block = int(ElementTree.parse(bmap).findtext("BlockSize", "").strip())
    for part in ElementTree.parse(bmap).iter("Range"):
        first, _, last = (part.text or "").strip().partition("-")
        start, end = int(first) * block, (int(last or first) + 1) * block
        found = hashlib.sha256()
        for at in range(start, end, 1 << 20):
            found.update(os.pread(descriptor, min(1 << 20, end - at), at))
        if found.hexdigest() != part.get("chksum"):
            raise RuntimeError(f"bmaptool's copy differs at {start}")
    os.close(descriptor)
    return time.monotonic() - began


def flash_write() -> Claim:
    """1 GiB sparse image, 256 MiB mapped, to a file, in turn with the other side."""
    with tempfile.TemporaryDirectory(prefix="flash-") as name:
        folder = Path(name)
        image = _image(folder)
        subprocess.run(
            [sys.executable, str(SCRIPT), str(image), "--manifest", "host", "1"],
            check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run(
            ["bmaptool", "--quiet", "create", "-o", str(folder / "disk.bmap"), str(image)],
            check=True, capture_output=True,
        )  # fmt: skip
        # In turn, so that a busy disk meets both; the middle round of each counts.
        rounds = [(_ours(image, folder), _bmaptool(image, folder)) for _ in range(ROUNDS)]
    ours, other = (sorted(side)[ROUNDS // 2] for side in zip(*rounds, strict=True))
    return Claim(
        ours,
        other,
        "s",
        1.1,
        "image checked, written, read back, boot area last; other: bmaptool copy, then its sums",
    )


CLAIMS: dict[str, Callable[[], Claim]] = {}
if shutil.which("bmaptool"):
    CLAIMS["flash_write"] = flash_write
else:
    print("flash_write is left out: it needs bmaptool (apt-get install bmap-tools)")
