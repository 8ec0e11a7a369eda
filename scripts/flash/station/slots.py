"""`slots`: from a board's image to a disk with two slots, boot state, boot script and installer.

Takes what `image` built; adds RAUC, its bus, the keyring and the release file to the root, and
writes the two files of a slot, which `bundle` signs, and a disk whose slot A has them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station import image_disk, image_root
from station.image import REPOSITORY
from station.image_packages import Apt, Package, compare, read_lock, run, unpack, write_lock
from station.image_users import write_users
from station.outcome import BenchError, Exit, tell
from station.signing import development_keys

__all__ = ["Plan", "build", "disk", "kernel_file", "main"]

HERE = Path(__file__).parent
DEPLOY = REPOSITORY / "deploy/update"
UNITS = "usr/lib/systemd/system"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built.

    Attributes:
        image: folder of the board's image.
        keyring: PEM of the authority whose bundles the slots take.
        release: words of release.json: version, counter, schema, oldest, keys.
    """

    board: str
    image: Path
    out: Path
    cache: Path
    keyring: Path
    release: dict[str, Any]
    relock: bool = False

    @property
    def table(self) -> dict[str, Any]:
        """The board's row of slots.toml.

        Raises:
            BenchError: NOT_FOUND; no slots are described for it.
        """
        table = tomllib.loads((HERE / "slots.toml").read_text(encoding="utf-8"))
        if self.board not in table["board"]:
            raise BenchError(Exit.NOT_FOUND, f"No slots are described for {self.board}.")
        return {**table["packages"], **table["board"][self.board]}


def build(plan: Plan) -> Path:
    """Build the slot's files and the disk; returns the folder.

    Raises:
        BenchError: NOT_FOUND without image or tools; INPUT where packages differ from the lock.
    """
    table = plan.table
    if os.geteuid() != 0:
        raise BenchError(Exit.REFUSED, "Files of an image belong to root: run `unshare -r` first.")
    if not (plan.image / "image.json").is_file():
        raise BenchError(Exit.NOT_FOUND, f"No image in {plan.image}: make image.")
    epoch = int(
        json.loads((plan.image / "sbom.json").read_text())["metadata"]["component"]["version"]
    )
    work = plan.out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    root = work / "root"
    run(["unsquashfs", "-quiet", "-no-progress", "-d", root, plan.image / "root.squashfs"])
    _packages(plan, table, root)
    _modules(plan, table, root, work)
    _deploy(plan, table, root)
    write_users(root)
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            os.chown(Path(folder) / name, 0, 0, follow_symlinks=False)
    image_disk.squashfs(root, plan.out / "root.squashfs", epoch)
    kernel_file(
        plan.image / "vmlinuz", plan.image / "initrd.gz", plan.out, table["kernel_mib"], epoch
    )
    for name in ("vmlinuz", "initrd.gz"):
        shutil.copyfile(plan.image / name, plan.out / name)
    script = work / "boot.scr"
    run(["mkimage", "-q", "-A", "arm64", "-T", "script", "-C", "none", "-n", "posfw", "-d",
        DEPLOY / "boot.cmd", script], extra={"SOURCE_DATE_EPOCH": str(epoch)})  # fmt: skip
    shutil.copyfile(script, plan.out / "boot.scr")
    disk(plan.board, table, plan.out, epoch)
    shutil.rmtree(work)
    return plan.out


def kernel_file(vmlinuz: Path, initrd: Path, out: Path, mib: int, epoch: int) -> None:
    """Write the kernel partition: what U-Boot loads of a slot."""
    files = {"vmlinuz": vmlinuz, "initrd.gz": initrd}
    image_disk.ext4(out / "kernel.ext4", "kernel", mib, epoch, files)


def disk(board: str, table: dict[str, Any], out: Path, epoch: int) -> None:
    """Write a disk: boot script, boot state (empty until the first start), both slots, data.

    U-Boot looks for boot.scr on the first partition (distro boot, 2023.01).
    """
    boot, data = out / "boot.ext4", out / "data.ext4"
    image_disk.ext4(boot, "boot", table["boot_mib"], epoch, {"boot.scr": out / "boot.scr"})
    sizes = [("state", 1), ("kernelA", table["kernel_mib"]), ("rootA", table["root_mib"]),
        ("kernelB", table["kernel_mib"]), ("rootB", table["root_mib"])]  # fmt: skip
    content = {"kernelA": out / "kernel.ext4", "rootA": out / "root.squashfs"}
    parts = [image_disk.Partition("boot", table["boot_mib"], boot)]
    parts += [image_disk.Partition(name, mib, content.get(name)) for name, mib in sizes]
    left = table["disk_mib"] - 2 - sum(part.mib for part in parts)
    image_disk.ext4(data, "data", left, epoch, {})
    parts.append(image_disk.Partition("data", left, data))
    image_disk.write_disk(out / "disk.img", f"{board}-slots", table["disk_mib"], parts)
    boot.unlink()
    data.unlink()


def _packages(plan: Plan, table: dict[str, Any], root: Path) -> None:
    arch = table["arch"]
    apt = Apt(plan.cache / arch, arch)
    lock = HERE / f"slots-{arch}.lock"
    locked = read_lock(lock) if lock.is_file() else []
    base = {package.name for package in read_lock(HERE / f"image-{arch}.lock")}
    if plan.relock or not locked or any(apt.file(p) is None for p in locked):
        apt.update()
        wanted = locked
        if plan.relock or not locked:
            wanted = apt.resolve(table["want"], [*table["drop"], *base])
        found = apt.download([Package(p.name, p.version) for p in wanted])
    else:
        found = apt.download(locked)
    if plan.relock:
        write_lock(lock, found, f"Debian 12, {arch}: name, version, SHA-256 of the package")
    elif told := compare(locked, found):
        raise BenchError(Exit.INPUT, *told, "Look at these, then pin them with --relock.")
    for package in found:
        file = apt.file(package)
        if file is not None:
            unpack(file, root)
    strip = tomllib.loads((HERE / "image.toml").read_text(encoding="utf-8"))["packages"]["strip"]
    for name in strip:
        shutil.rmtree(root / name, ignore_errors=True)


def _modules(plan: Plan, table: dict[str, Any], root: Path, work: Path) -> None:
    """Add what RAUC's bundles need of the kernel: loop device and dm-verity."""
    version = json.loads((plan.image / "image.json").read_text())["kernel"]
    name = f"linux-image-{version}"
    found = [p for p in read_lock(HERE / f"image-{table['arch']}.lock") if p.name == name]
    apt = Apt(plan.cache / table["arch"], table["arch"])
    deb = apt.file(found[0]) if found else None
    if deb is None:
        raise BenchError(Exit.NOT_FOUND, f"{name} is not in the cache: make image.")
    kernel = work / "kernel"
    kernel.mkdir()
    unpack(deb, kernel)
    run(["depmod", "-b", kernel, version])
    own = root / "usr/lib/modules" / version
    for source in image_root.module_files(kernel, version, table["modules"]):
        target = own / source.relative_to(kernel / "lib/modules" / version)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    run(["depmod", "-b", root, version])
    load = root / "usr/lib/modules-load.d/posfw-update.conf"
    load.write_text("".join(f"{module.replace('-', '_')}\n" for module in table["modules"]))


def _deploy(plan: Plan, table: dict[str, Any], root: Path) -> None:
    """Install RAUC's settings, the keyring, the release file, handlers and units."""
    compatible = f"posfw-{plan.board}"
    (root / "etc/rauc").mkdir(parents=True, exist_ok=True)
    settings = (DEPLOY / "system.conf").read_text(encoding="utf-8")
    settings = settings.replace("@COMPATIBLE@", compatible).replace("@SLOT@", table["slot"])
    (root / "etc/rauc/system.conf").write_text(settings, encoding="utf-8")
    shutil.copyfile(plan.keyring, root / "etc/rauc/keyring.pem")
    own = root / "usr/lib/posfw"
    own.mkdir(parents=True, exist_ok=True)
    words = {**plan.release, "compatible": compatible}
    (own / "release.json").write_text(json.dumps(words, sort_keys=True) + "\n", encoding="utf-8")
    for name in ("boot-state", "judge-bundle"):
        shutil.copyfile(DEPLOY / name, own / name)
        (own / name).chmod(0o755)
    for name in ("posfw-update.socket", "posfw-update@.service"):
        shutil.copyfile(DEPLOY / name, root / UNITS / name)
    wants = root / "etc/systemd/system/sockets.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for unit in ("posfw-update.socket", "dbus.socket"):
        (wants / unit).unlink(missing_ok=True)
        (wants / unit).symlink_to(f"/{UNITS}/{unit}")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(prog="slots", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--board", required=True, help="id of the board profile")
    made.add_argument("--version", required=True, help="of the program, such as 1.2.3")
    made.add_argument("--counter", type=int, default=1, help="security counter [1]")
    made.add_argument("--schema", default="1-2", help="journal schemas, LOW-HIGH [1-2]")
    made.add_argument(
        "--oldest", default="0.1.0", help="least version that may replace it [0.1.0]"
    )
    made.add_argument("--image", type=Path, help="folder of the image [out/image/BOARD]")
    made.add_argument("--out", type=Path, help="folder of the results [out/slots/BOARD]")
    made.add_argument("--cache", type=Path, help="packages [out/image/cache]")
    made.add_argument(
        "--keyring", type=Path, help="PEM of the release authority; else development"
    )
    made.add_argument("--relock", action="store_true", help="pin what Debian has now")
    made.add_argument("--json", action="store_true")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and tell; exit codes as everywhere at the bench."""
    options = parser().parse_args(arguments)
    out = (options.out or REPOSITORY / "out/slots" / options.board).resolve()
    low, _, high = options.schema.partition("-")
    release = {"version": options.version, "counter": options.counter,
        "schema": [int(low), int(high)], "oldest": options.oldest,
        "keys": "release" if options.keyring else "development"}  # fmt: skip
    try:
        keyring = (
            options.keyring or development_keys(REPOSITORY / "out/keys/development").authority
        )
        image = options.image or REPOSITORY / "out/image" / options.board
        cache = options.cache or REPOSITORY / "out/image/cache"
        build(Plan(options.board, image, out, cache, keyring, release, options.relock))
    except BenchError as error:
        sys.stderr.write("\n".join(error.reasons) + "\n")
        told = {"exit": int(error.code), "reasons": list(error.reasons)}
        tell("posfw.slots", told, as_json=options.json, text="")
        return error.code
    files = {p.name: p.stat().st_size for p in sorted(out.iterdir()) if p.is_file()}
    text = "\n".join(f"{name:14} {size >> 10} KiB" for name, size in files.items())
    tell("posfw.slots", {"exit": 0, "files": files}, as_json=options.json, text=text)
    return Exit.OK
