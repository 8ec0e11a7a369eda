"""Images, targets and faulty media for the tests of the flashing bench."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from station.disks import Disk, inspect
from station.flash import Job
from station.manifest import Manifest, load_manifest, make_manifest
from station.writer import Medium

SIZE = 12 << 20
EXTENTS = ((0, 24 << 10), (2 << 20, 300_000), (5 << 20, 4 << 20), (SIZE - 8192, 8192))


def make_image(folder: Path, *, board: str = "host", seed: int = 1) -> Path:
    """A sparse image: boot area, three extents, holes between."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "disk.img"
    chance = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(SIZE)
        for start, length in EXTENTS:
            file.seek(start)
            file.write(chance.randbytes(length))
    manifest = make_manifest(path, board=board, version="1")
    (folder / "disk.img.manifest.json").write_bytes(manifest)
    return path


def manifest_of(image: Path) -> Manifest:
    return load_manifest(image.with_name(image.name + ".manifest.json").read_bytes())


def make_target(folder: Path, name: str = "unit1", size: int = SIZE + 4096) -> Disk:
    path = folder / name
    path.write_bytes(b"\xa5" * size)
    return inspect(f"file:{path}")


def job(image: Path, folder: Path, *targets: Disk) -> Job:
    return Job(image, manifest_of(image), targets, folder / "state")


def holds(target: Path, image: Path) -> bool:
    """Whether all mapped bytes of the image are on the target; judged without the station."""
    data, wanted = target.read_bytes(), image.read_bytes()
    return all(data[at : at + length] == wanted[at : at + length] for at, length in EXTENTS)


def starts(target: Path, image: Path) -> bool:
    """Whether the boot area is the image's, or still the old one: a loader would run."""
    with target.open("rb") as file, image.open("rb") as wanted:
        first = file.read(24 << 10)
        return first == wanted.read(24 << 10) or first == b"\xa5" * (24 << 10)


class Faulty(Medium):
    """A medium that fails at its n-th call of a kind."""

    def __init__(self, descriptor: int, fault: str, at: int = 0, times: int = 1) -> None:
        super().__init__(descriptor, block=False)
        self.fault = fault
        self.at = at
        self.times = times
        self.calls = 0

    def hit(self) -> bool:
        self.calls += 1
        return self.at <= self.calls - 1 < self.at + self.times

    def write(self, data: memoryview, at: int) -> int:
        hit = self.fault != "read" and self.hit()
        if hit and self.fault == "short":
            return super().write(data[: max(1, len(data) // 3)], at)
        if hit and self.fault == "flip":
            damaged = bytearray(data)
            damaged[len(damaged) // 2] ^= 1
            return super().write(memoryview(damaged), at)
        if hit and self.fault == "lost":
            return len(data)  # taken and never written
        if hit and self.fault == "full":
            raise OSError(28, "No space left on device")
        if hit and self.fault == "zero":
            return 0
        if self.fault == "gone" and self.calls > self.at:
            raise OSError(19, "No such device")
        return super().write(data, at)

    def read(self, length: int, at: int) -> bytes:
        if self.fault == "read" and self.hit():
            raise OSError(5, "Input/output error")
        if self.fault == "gone" and self.calls > self.at:
            raise OSError(19, "No such device")
        return super().read(length, at)


class Deadly(Medium):
    """Kills its own process at the n-th step, of any kind."""

    def __init__(self, descriptor: int, at: int) -> None:
        super().__init__(descriptor, block=False)
        self.left = at

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def write(self, data: memoryview, at: int) -> int:
        self._step()
        return super().write(data, at)

    def read(self, length: int, at: int) -> bytes:
        self._step()
        return super().read(length, at)

    def sync(self) -> None:
        self._step()
        super().sync()
