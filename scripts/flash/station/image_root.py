"""The tree of an image: packages, kernel modules, wheels, the terminal, its service, users."""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from station.image_packages import run, unpack
from station.image_users import write_users
from station.outcome import BenchError, Exit

__all__ = ["Root"]

SITE: Final = "usr/lib/python3/dist-packages"
MERGED: Final = ("bin", "sbin", "lib")
# Simulator, and the commands that are nothing without it.
LEFT_OUT: Final = ("sim", "cli/day.py", "cli/sim.py", "cli/guide.py", "cli/lesson.py")
SERVICE: Final = {
    "posfw.service": "usr/lib/systemd/system/posfw.service",
    "posfw.service.d/20-lamps.conf": "usr/lib/systemd/system/posfw.service.d/20-lamps.conf",
    "sysusers.conf": "usr/lib/sysusers.d/posfw.conf",
    "tmpfiles.conf": "usr/lib/tmpfiles.d/posfw.conf",
    "modules-load.conf": "usr/lib/modules-load.d/posfw.conf",
    "70-posfw.rules": "usr/lib/udev/rules.d/70-posfw.rules",
}
COMMAND: Final = """\
#!/usr/bin/python3 -I
import sys

from posfw.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
"""
# What would write to a read-only root, ask somebody, or wait for a network that a terminal lacks.
MASKED: Final = ("systemd-firstboot.service", "systemd-machine-id-commit.service",
    "systemd-sysusers.service", "systemd-update-done.service", "systemd-remount-fs.service",
    "getty.target", "systemd-hwdb-update.service")  # fmt: skip
NETWORK: Final = "[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n"
TREE_CALLS: Final = ("proc", "sys", "dev", "run", "tmp", "root", "var/lib/posfw", "etc/posfw")
INIT: Final = """\
#!/bin/sh
# From the boot loader to the read-only root: posfw.slot=A|B names the slot.
b=/bin/busybox
$b mount -t devtmpfs none /dev; $b mount -t proc none /proc; $b mount -t sysfs none /sys
while read -r m; do $b insmod /m/$m 2>/dev/null; done </m/order
slot=A; init=/usr/lib/systemd/systemd
for a in $($b cat /proc/cmdline); do
  case $a in posfw.slot=*) slot=${a#*=};; init=*) init=${a#*=};; esac
done
part() { for u in /sys/class/block/*/uevent; do
  $b grep -qx "PARTNAME=$1" $u && u=${u%/uevent} && echo /dev/${u##*/} && return; done; return 1; }
i=0; until root=$(part root$slot); do i=$((i+1)); [ $i -gt 100 ] && break; $b sleep 0.05; done
data=$(part data)
$b mount -t squashfs -o ro,nodev $root /new || {
  echo "posfw: no root in slot $slot"; $b sleep 5; $b reboot -f; }
$b mount -t tmpfs -o nosuid,nodev,noexec,mode=755,size=16m none /new/var
$b mkdir -p /new/var/lib/posfw /new/var/log /new/var/tmp
$b mount --move /dev /new/dev; $b mount --move /proc /new/proc; $b mount --move /sys /new/sys
$b chroot /new /usr/sbin/e2fsck -p $data
$b mount -t ext4 -o nosuid,nodev,noexec,noatime,errors=remount-ro /new$data /new/var/lib/posfw
$b chown POSFW /new/var/lib/posfw; $b chmod 0700 /new/var/lib/posfw
exec $b switch_root /new $init
"""


class Root:
    """A tree that grows step by step; nothing in it is ever run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        if folder.exists():
            shutil.rmtree(folder)
        for name in MERGED:
            (folder / "usr" / name).mkdir(parents=True)
            (folder / name).symlink_to(f"usr/{name}")

    def unpack(self, debs: Iterable[Path], strip: Iterable[str]) -> None:
        """Unpack packages and take out what a terminal has no use for."""
        for deb in debs:
            unpack(deb, self.path)
        for name in strip:
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / "usr/bin/sh").unlink(missing_ok=True)
        (self.path / "usr/bin/sh").symlink_to("dash")

    def modules(self, kernel: Path, version: str, names: Sequence[str]) -> None:
        """Copy kernel modules and what they need, and index them."""
        own = self.path / "usr/lib/modules" / version
        for source in module_files(kernel, version, names):
            target = own / source.relative_to(kernel / "lib/modules" / version)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        for index in ("builtin", "builtin.modinfo", "order"):
            shutil.copyfile(
                kernel / f"lib/modules/{version}/modules.{index}", own / f"modules.{index}"
            )
        run(["depmod", "-b", self.path, version])

    def python(self, wheels: Iterable[Path], board: str) -> None:
        """Unpack wheels; of posfw all but its simulator, and of the boards only this one."""
        site = self.path / SITE
        site.mkdir(parents=True, exist_ok=True)
        for wheel in sorted(wheels):
            shutil.unpack_archive(wheel, site, "zip")
        own = site / "posfw"
        for name in LEFT_OUT:
            gone = own / name
            shutil.rmtree(gone) if gone.is_dir() else gone.unlink(missing_ok=True)
        for folder in (own / "_boards").iterdir():
            if folder.name[0] != "_" and folder.name != board:
                shutil.rmtree(folder)
        command = self.path / "usr/bin/posfw"
        command.write_text(COMMAND)
        command.chmod(0o755)

    def service(self, deploy: Path, board: str) -> None:
        """Install the unit, the rules around it, and the board's name."""
        for source, target in SERVICE.items():
            place = self.path / target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(deploy / source, place)
        units = self.path / "usr/lib/systemd/system"
        drop_in = units / "posfw.service.d/10-board.conf"
        drop_in.write_text(
            f"[Service]\nExecStart=\nExecStart=/usr/bin/posfw run --board {board}\n"
        )
        etc = self.path / "etc"
        for target in ("multi-user.target.wants",):
            (etc / "systemd/system" / target).mkdir(parents=True, exist_ok=True)
        wants = etc / "systemd/system/multi-user.target.wants"
        for unit in ("posfw.service", "systemd-networkd.service"):
            (wants / unit).symlink_to(f"/usr/lib/systemd/system/{unit}")
        for unit in MASKED:
            (etc / "systemd/system" / unit).symlink_to("/dev/null")
        (etc / "systemd/network").mkdir(parents=True, exist_ok=True)
        (etc / "systemd/network/80-wired.network").write_text(NETWORK)
        default = etc / "systemd/system/default.target"
        default.symlink_to("/usr/lib/systemd/system/multi-user.target")

    def finish(self) -> dict[str, tuple[int, int]]:
        """Write users and what a read-only root needs, compile Python, set owner and modes."""
        for name in TREE_CALLS:
            (self.path / name).mkdir(parents=True, exist_ok=True)
        etc = self.path / "etc"
        (etc / "machine-id").write_text("")
        (etc / "hostname").write_text("posfw\n")
        (etc / "fstab").write_text("")
        shutil.rmtree(self.path / "var/lib/dpkg", ignore_errors=True)
        users = write_users(self.path)
        self._compile()
        for folder, names, files in os.walk(self.path):
            for name in (*names, *files):
                os.chown(Path(folder) / name, 0, 0, follow_symlinks=False)
        os.chown(self.path, 0, 0)
        self.path.chmod(0o755)
        return users

    def _compile(self) -> None:
        """Compile with this Python: the byte code of 3.11 is the same on every machine."""
        way = py_compile.PycInvalidationMode.UNCHECKED_HASH
        places = [self.path / "usr/lib/python3.11", self.path / SITE]
        for place in places:
            for old in place.rglob("__pycache__"):
                shutil.rmtree(old)
            compileall.compile_dir(place, quiet=2, stripdir=str(self.path), prependdir="/",
                invalidation_mode=way, workers=1)  # fmt: skip


def module_files(kernel: Path, version: str, names: Sequence[str]) -> list[Path]:
    """Return the files of modules and of what they need, in the order of loading.

    Raises:
        BenchError: INPUT; this kernel has no such module.
    """
    found: dict[Path, None] = {}
    for name in names:
        command = ["modprobe", "-d", str(kernel), "-S", version, "--show-depends", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            raise BenchError(Exit.INPUT, f"Kernel {version} has no module {name}.")
        found |= {Path(line.split()[1]): None for line in lines if line.startswith("insmod")}
    return list(found)


def early_tree(
    folder: Path, busybox: Path, modules: Sequence[Path], owner: tuple[int, int]
) -> None:
    """Lay out the initial memory disk: busybox, modules in order, /init."""
    if folder.exists():
        shutil.rmtree(folder)
    for name in ("bin", "dev", "m", "new", "proc", "sys"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(busybox, folder / "bin/busybox")
    (folder / "bin/busybox").chmod(0o755)
    (folder / "bin/sh").symlink_to("busybox")
    for module in modules:
        shutil.copyfile(module, folder / "m" / module.name)
        (folder / "m" / module.name).chmod(0o644)
    (folder / "m/order").write_text("".join(f"{module.name}\n" for module in modules))
    init = folder / "init"
    init.write_text(INIT.replace("POSFW", "{}:{}".format(*owner)))
    init.chmod(0o755)
