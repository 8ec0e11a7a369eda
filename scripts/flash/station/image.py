"""`image`: a board's Debian image, repeatable, from pinned packages and wheels.

Needs a clone of the repository with its environment (`make env-dev`), and root or a user
namespace: files of an image belong to root. What is built is the last commit, never the work tree.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station import image_disk, image_root
from station.image_bill import bill
from station.image_packages import (
    Apt,
    Package,
    compare,
    read_lock,
    run,
    sha256,
    unpack,
    write_lock,
)
from station.manifest import make_manifest
from station.outcome import BenchError, Exit, tell

__all__ = ["Plan", "build", "main"]

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built.

    Attributes:
        board: id of the profile.
        out: folder of the results.
        cache: folder of packages and wheels.
        revision: what of the repository is built.
        relock: take what Debian has now and write the lock, instead of refusing a difference.
        accept: build with what Debian has now, and note the difference.
    """

    board: str
    out: Path
    cache: Path
    revision: str = "HEAD"
    relock: bool = False
    accept: bool = False

    @property
    def table(self) -> dict[str, Any]:
        """The data of all images."""
        return tomllib.loads((HERE / "image.toml").read_text(encoding="utf-8"))


def build(plan: Plan) -> dict[str, Any]:
    """Build an image and return its document.

    Raises:
        BenchError: NOT_FOUND without a tool or board; INPUT where packages differ from the lock.
    """
    table = plan.table
    board = table["board"].get(plan.board)
    if board is None:
        raise BenchError(Exit.NOT_FOUND, f"No image is described for {plan.board}.")
    arch = table["arch"][board["arch"]]
    if os.geteuid() != 0:
        raise BenchError(Exit.REFUSED, "Files of an image belong to root: run `unshare -r` first.")
    laps: dict[str, float] = {}
    began = time.monotonic()

    def lap(name: str) -> None:
        laps[name] = round(time.monotonic() - began - sum(laps.values()), 1)

    commit = run(["git", "rev-parse", plan.revision], cwd=REPOSITORY).strip()
    epoch = int(run(["git", "log", "-1", "--format=%ct", commit], cwd=REPOSITORY))
    source = _source(plan, commit, epoch)
    apt, packages, kernel = _packages(plan, table, board["arch"])
    lap("packages")
    wheels = [*_wheels(plan, arch, source), *(source / "dist").glob("*.whl")]
    lap("wheels")
    plan.out.mkdir(parents=True, exist_ok=True)
    work = plan.out / "work"
    shutil.rmtree(work, ignore_errors=True)
    unpacked, version = _kernel(apt, kernel, work)
    root = image_root.Root(work / "root")
    root.unpack([_file(apt, p) for p in packages if p != kernel], table["packages"]["strip"])
    root.modules(unpacked, version, [*board["early"], *board["modules"]])
    root.python(wheels, plan.board)
    root.service(source / "deploy", plan.board)
    users = root.finish()
    lap("tree")
    files = _files(plan, board, unpacked, version, epoch, users["posfw"])
    lap("files")
    parts = bill(plan.board, board["arch"], packages, wheels, epoch)
    (plan.out / "sbom.json").write_text(json.dumps(parts, indent=1, sort_keys=True) + "\n")
    disk = plan.out / "disk.img"
    (plan.out / "disk.img.manifest.json").write_bytes(
        make_manifest(disk, board=plan.board, version=commit[:12])
    )
    shutil.rmtree(work)
    lap("manifest")
    document = {
        "board": plan.board,
        "commit": commit[:12],
        "kernel": version,
        "packages": len(packages),
        "wheels": len(wheels),
        "notes": apt.notes,
        "files": {name: _about(plan.out / name) for name in [*files, "disk.img", "sbom.json"]},
        "disk_mapped_mib": _mib(disk.stat().st_blocks * 512),
        "seconds": laps,
    }
    (plan.out / "image.json").write_text(json.dumps(document, indent=1) + "\n")
    return document


def _mib(size: int) -> float:
    return round(size / (1 << 20), 1)


def _about(path: Path) -> dict[str, object]:
    return {"mib": _mib(path.stat().st_size), "sha256": sha256(path)}


def _file(apt: Apt, package: Package) -> Path:
    file = apt.file(package)
    assert file is not None  # noqa: S101 - it was downloaded before
    return file


def _packages(plan: Plan, table: dict[str, Any], name: str) -> tuple[Apt, list[Package], Package]:
    """Return packages that are the pinned ones, and the kernel among them."""
    arch = table["arch"][name]
    apt = Apt(plan.cache / name, name)
    lock = HERE / f"image-{name}.lock"
    locked = read_lock(lock) if lock.is_file() else []
    here = all(apt.file(p) is not None for p in locked)
    if plan.relock or not locked or not here:
        apt.update()
        want = [*table["packages"]["want"], *arch["extra"], arch["kernel"]]
        resolved = apt.resolve(want, [*table["packages"]["drop"], arch["kernel"]])
        found = apt.download(resolved)
    else:
        found = apt.download(locked)
    told = compare(locked, found)
    if plan.relock:
        write_lock(lock, found, f"Debian 12, {name}: name, version, SHA-256 of the package")
    elif told and not plan.accept:
        raise BenchError(Exit.INPUT, *told, "Look at these, then pin them with --relock.")
    elif told:
        apt.notes += ["not the pinned packages: " + "; ".join(told)]
    kernel = next(p for p in found if p.name.startswith("linux-image-"))
    return apt, found, kernel


def _wheels(plan: Plan, arch: dict[str, Any], source: Path) -> list[Path]:
    """Fetch the pinned wheels for the target; pip checks every digest, nothing is installed."""
    wanted = source / "requirements" / arch["requirements"]
    text = _without(wanted.read_text(encoding="utf-8"), arch["from_debian"])
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = plan.cache / f"wheels-{key}"
    if not folder.is_dir():
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        kept = fresh / "requirements.txt"
        kept.write_text(text, encoding="utf-8")
        flags = [word for name in arch["platforms"] for word in ("--platform", name)]
        python = REPOSITORY / ".venv/bin/python"
        command: list[str | Path] = [
            python,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--require-hashes",
            *flags,
        ]
        command += ["--python-version", "311", "--only-binary=:all:", "-d", fresh, "-r", kept]
        run(command)
        fresh.rename(folder)
    return sorted(folder.glob("*.whl"))


def _without(text: str, names: Sequence[str]) -> str:
    """Leave entries out of a pinned requirements file."""
    kept, skipping = [], False
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            skipping = line.split("==")[0].strip() in names
        if not skipping:
            kept.append(line)
    return "".join(kept)


def _source(plan: Plan, commit: str, epoch: int) -> Path:
    """Return a tree of the commit, with posfw's wheel in dist/."""
    folder = plan.cache / f"source-{commit}"
    if not folder.is_dir():
        fresh = plan.cache / f"source-{commit}-{os.getpid()}"
        fresh.mkdir(parents=True)
        run(["git", "archive", "-o", fresh / "source.tar", commit], cwd=REPOSITORY)
        run(["tar", "-xf", "source.tar"], cwd=fresh)
        python = REPOSITORY / ".venv/bin/python"
        build: list[str | Path] = [python, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
        run(build, cwd=fresh, extra={"SOURCE_DATE_EPOCH": str(epoch)})
        fresh.rename(folder)
    return folder


def _kernel(apt: Apt, kernel: Package, work: Path) -> tuple[Path, str]:
    folder = work / "kernel"
    folder.mkdir(parents=True)
    unpack(_file(apt, kernel), folder)
    version = kernel.name.removeprefix("linux-image-")
    run(["depmod", "-b", folder, version])
    return folder, version


def _files(
    plan: Plan, board: dict[str, Any], kernel: Path, version: str, epoch: int,
    owner: tuple[int, int],
) -> list[str]:  # fmt: skip
    """Write the files a board boots from, and the disk."""
    out, work = plan.out, plan.out / "work"
    early = image_root.module_files(kernel, version, board["early"])
    image_root.early_tree(work / "early", work / "root/usr/bin/busybox", early, owner)
    image_disk.initrd(work / "early", out / "initrd.gz", epoch)
    shutil.copyfile(kernel / f"boot/vmlinuz-{version}", out / "vmlinuz")
    files = ["vmlinuz", "initrd.gz"]
    if "tree" in board:
        shutil.copyfile(
            kernel / f"usr/lib/linux-image-{version}" / board["tree"], out / "board.dtb"
        )
        files.append("board.dtb")
    image_disk.squashfs(work / "root", out / "root.squashfs", epoch)
    boot, data = work / "boot.ext4", work / "data.ext4"
    image_disk.ext4(boot, "boot", board["boot_mib"], epoch, {f"A/{n}": out / n for n in files})
    slots = [image_disk.Partition("boot", board["boot_mib"], boot),
        image_disk.Partition("rootA", board["root_mib"], out / "root.squashfs"),
        image_disk.Partition("rootB", board["root_mib"])]  # fmt: skip
    left = board["disk_mib"] - 2 - sum(part.mib for part in slots)
    image_disk.ext4(data, "data", left, epoch, {})
    slots.append(image_disk.Partition("data", left, data))
    image_disk.write_disk(out / "disk.img", plan.board, board["disk_mib"], slots)
    return [*files, "root.squashfs"]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="image", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--board", required=True, help="id of the board profile")
    made.add_argument("--out", type=Path, help="folder of the results [out/image/BOARD]")
    made.add_argument("--cache", type=Path, help="packages and wheels [out/image/cache]")
    made.add_argument("--revision", default="HEAD", help="commit or tag to build [HEAD]")
    made.add_argument("--relock", action="store_true", help="pin what Debian has now")
    made.add_argument(
        "--accept", action="store_true", help="build what Debian has now, and say so"
    )
    made.add_argument("--json", action="store_true")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and tell; exit codes as everywhere at the bench."""
    options = parser().parse_args(arguments)
    base = REPOSITORY / "out/image"
    out = (options.out or base / options.board).resolve()
    cache = (options.cache or base / "cache").resolve()
    try:
        document = build(
            Plan(options.board, out, cache, options.revision, options.relock, options.accept)
        )
    except BenchError as error:
        sys.stderr.write("\n".join(error.reasons) + "\n")
        told = {"exit": int(error.code), "reasons": list(error.reasons)}
        tell("posfw.image.build", told, as_json=options.json, text="")
        return error.code
    lines = [f"{name:14} {about['mib']:7} MiB  {about['sha256']}"
        for name, about in document["files"].items()]  # fmt: skip
    text = "\n".join([*document["notes"], *lines, f"seconds: {document['seconds']}"])
    tell("posfw.image.build", {"exit": 0, **document}, as_json=options.json, text=text)
    return Exit.OK
