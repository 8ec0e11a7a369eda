"""`image_mib`: how big an image is, per architecture, against the room it has on its device.

Images are measured as `make image BOARD=...` left them in out/image; none is built here.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.claim import Claim

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "out/image"
PLAN = REPOSITORY / "scripts/flash/station/image.toml"
MIB = 1 << 20
LIMIT = 0.85  # of the root partition: what comes next must fit before the layout changes
BOARDS = {"arm64": "qemu-virt-arm64", "armhf": "qemu-imx6ul"}


def _mapped_mib(path: Path) -> float:
    return path.stat().st_blocks * 512 / MIB


def image_mib(board: str) -> Claim:
    """MiB of a board's root file system against those of the partition it lies in."""
    folder = IMAGES / board
    built = json.loads((folder / "image.json").read_text())
    table = tomllib.loads(PLAN.read_text())["board"][board]
    sizes = {path.name: path.stat().st_size / MIB for path in folder.iterdir()}
    parts = ", ".join(f"{name} {sizes[name]:.1f}" for name in ("vmlinuz", "initrd.gz"))
    return Claim(
        sizes["root.squashfs"],
        float(table["root_mib"]),
        "MiB",
        LIMIT,
        f"root of {board} ({table['arch']}) at {built['commit']} in its partition; {parts};"
        f" mapped of the disk {_mapped_mib(folder / 'disk.img'):.1f} MiB",
    )


CLAIMS: dict[str, Callable[[], Claim]] = {}
for arch, board in BOARDS.items():
    if (IMAGES / board / "image.json").is_file():
        CLAIMS[f"image_mib_{arch}"] = partial(image_mib, board)
    else:
        print(f"image_mib_{arch} is left out: it needs an image (make image BOARD={board})")
