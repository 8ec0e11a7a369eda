"""Writing one target: disarm, write, read back, arm.

Any step may be the last; the next run goes on.

1. The old boot area is emptied first: from here on the unit does not start.
2. Ranges are written, synced, the cache is dropped, each is read back; a bad one is retried.
3. Only when all others are right, the boot ranges are written and read back.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from station.manifest import BOOT_BYTES, Manifest, Range
from station.outcome import BenchError, Exit

__all__ = ["Medium", "Report", "Resume", "write_target"]

BLKFLSBUF: Final = 0x1261  # linux/fs.h, drops a block device's cache
RETRIES: Final = 3
BATCH_BYTES: Final = 64 << 20  # written between two syncs; what a crash makes us write again
PIECE_BYTES: Final = 1 << 20
Progress = Callable[[str, int, int], None]  # phase, bytes done, bytes in all


class Medium:
    """An opened target; tests replace single calls with faulty ones."""

    def __init__(self, descriptor: int, *, block: bool) -> None:
        self.descriptor = descriptor
        self.block = block

    def write(self, data: memoryview, at: int) -> int:
        """Write some of `data`; returns how much was taken."""
        return os.pwrite(self.descriptor, data, at)

    def read(self, length: int, at: int) -> bytes:
        """Read some bytes."""
        return os.pread(self.descriptor, length, at)

    def sync(self) -> None:
        """Force everything to the medium."""
        os.fsync(self.descriptor)

    def drop_cache(self) -> None:
        """Forget what the kernel holds, so that reading back reads the medium."""
        os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if self.block:
            fcntl.ioctl(self.descriptor, BLKFLSBUF, 0)


@dataclass(slots=True)
class Report:
    """What was done to a target."""

    written: int = 0
    verified: int = 0
    resumed: int = 0
    retried: list[int] = field(default_factory=list)  # starts of ranges written again


class Resume:
    """Which ranges of an image are known to be right on a disk; kept outside of it.

    Keyed by image and disk: another image, or another disk at the same port, starts anew.
    """

    def __init__(self, path: Path | None, *, image: str, disk: str) -> None:
        self._path = path
        self._key = {"image": image, "disk": disk}

    def load(self) -> set[int]:
        """Return the starts of ranges claimed right; claims are verified before use."""
        if self._path is None:
            return set()
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            if {key: document[key] for key in self._key} == self._key:
                return {int(start) for start in document["done"]}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no claim is worth less than a wrong one: everything is written again
        return set()

    def save(self, done: set[int]) -> None:
        """Keep the claims; the old file stays until the new one is whole."""
        if self._path is None:
            return
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({**self._key, "done": sorted(done)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def clear(self) -> None:
        """Forget: the target is finished."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def write_target(
    image: Path,
    manifest: Manifest,
    medium: Medium,
    *,
    resume: Resume,
    progress: Progress = lambda *_: None,
) -> Report:
    """Write an image whose content was checked before, and prove that it is there.

    Raises:
        BenchError: DEVICE (gone, full, I/O error) or MISMATCH (a range stays wrong). The boot
            area is then empty: the unit does not start, and a later run resumes.
    """
    work = _Work(image, manifest, medium, progress)
    try:
        body = [part for part in manifest.ranges if not part.boot]
        boot = [part for part in manifest.ranges if part.boot]
        work.empty_boot()
        done = work.still_right(body, resume.load())
        for batch in _batches([part for part in body if part.start not in done]):
            work.put(batch)
            done |= {part.start for part in batch}
            resume.save(done)
        work.put(boot)
    except OSError as error:
        with suppress(OSError):
            work.disarm()
        raise BenchError(Exit.DEVICE, f"The target failed: {error.strerror}.") from error
    finally:
        work.close()
    resume.clear()
    return work.report


def _batches(parts: Sequence[Range]) -> list[list[Range]]:
    found: list[list[Range]] = []
    size = BATCH_BYTES
    for part in parts:
        if size + part.length > BATCH_BYTES:
            found.append([])
            size = 0
        found[-1].append(part)
        size += part.length
    return found


class _Work:
    def __init__(
        self, image: Path, manifest: Manifest, medium: Medium, progress: Progress
    ) -> None:
        self._source = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        self._manifest = manifest
        self._medium = medium
        self._progress = progress
        self.report = Report()

    def close(self) -> None:
        os.close(self._source)

    def empty_boot(self) -> None:
        """Disarm, and see that the boot area is empty before anything else is written."""
        size = min(BOOT_BYTES, self._manifest.size)
        empty = Range(0, size, hashlib.sha256(bytes(size)).hexdigest())
        for _ in range(1 + RETRIES):
            self.disarm()
            self._medium.drop_cache()
            if self._reads_right(empty):
                return
        raise BenchError(Exit.MISMATCH, "The boot area cannot be emptied: the medium is bad.")

    def disarm(self) -> None:
        """Empty the boot area: no loader, no partition table."""
        self._all(memoryview(bytes(min(BOOT_BYTES, self._manifest.size))), 0)
        self._medium.sync()

    def still_right(self, parts: Sequence[Range], claimed: set[int]) -> set[int]:
        """Return the claimed ranges that the disk really holds."""
        self._medium.drop_cache()
        right = set()
        for part in parts:
            if part.start in claimed and self._reads_right(part):
                right.add(part.start)
                self.report.resumed += part.length
                self._tell("resume", self.report.resumed)
        return right

    def put(self, parts: Sequence[Range]) -> None:
        """Write ranges and read them back until they are right, a few times at most."""
        waiting = list(parts)
        for attempt in range(1 + RETRIES):
            for part in waiting:
                self._copy(part)
            self._medium.sync()
            self._medium.drop_cache()
            waiting = [part for part in waiting if not self._verified(part)]
            if not waiting:
                return
            if attempt < RETRIES:
                self.report.retried += [part.start for part in waiting]
        starts = ", ".join(str(part.start) for part in waiting[:5])
        self.disarm()
        raise BenchError(
            Exit.MISMATCH,
            f"What is read back differs at byte {starts} after {RETRIES} retries: the medium is"
            " bad. The unit was left without its boot area.",
        )

    def _copy(self, part: Range) -> None:
        at, end = part.start, part.start + part.length
        while at < end:
            data = self._image_bytes(min(PIECE_BYTES, end - at), at)
            self._all(memoryview(data), at)
            at += len(data)
            self.report.written += len(data)
            self._tell("write", self.report.written)

    def _image_bytes(self, length: int, at: int) -> bytes:
        try:
            data = os.pread(self._source, length, at)
        except OSError as error:
            raise BenchError(Exit.INPUT, f"The image fails: {error.strerror}.") from error
        if not data:
            raise BenchError(Exit.INPUT, f"The image ended at byte {at} while it was written.")
        return data

    def _all(self, data: memoryview, at: int) -> None:
        while data:
            taken = self._medium.write(data, at)
            if taken <= 0:
                raise OSError(5, "no byte is taken any more")
            data, at = data[taken:], at + taken

    def _verified(self, part: Range) -> bool:
        right = self._reads_right(part)
        if right:
            self.report.verified += part.length
            self._tell("verify", self.report.verified)
        return right

    def _reads_right(self, part: Range) -> bool:
        found = hashlib.sha256()
        at, end = part.start, part.start + part.length
        while at < end:
            data = self._medium.read(min(PIECE_BYTES, end - at), at)
            if not data:
                return False
            found.update(data)
            at += len(data)
        return found.hexdigest() == part.sha256

    def _tell(self, phase: str, done: int) -> None:
        self._progress(phase, done, self._manifest.mapped)
