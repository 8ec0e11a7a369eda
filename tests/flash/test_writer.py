from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from station.disks import Disk
from station.flash import run_all
from station.manifest import BOOT_BYTES
from station.outcome import BenchError, Exit
from station.progress import Progress
from station.writer import PIECE_BYTES, Medium, Report, Resume, write_target

from tests.flash.benchtools import (
    Deadly,
    Faulty,
    holds,
    job,
    make_image,
    make_target,
    manifest_of,
    starts,
)

QUIET = Progress("none")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return make_image(tmp_path / "image")


@pytest.fixture
def target(tmp_path: Path) -> Disk:
    return make_target(tmp_path)


@pytest.fixture
def descriptor(target: Disk) -> Iterator[int]:
    found = os.open(target.path, os.O_RDWR)
    yield found
    os.close(found)


def write(image: Path, medium: Medium, resume: Path | None = None) -> Report:
    manifest = manifest_of(image)
    claims = Resume(resume, image=manifest.digest, disk="unit1")
    return write_target(image, manifest, medium, resume=claims)


def test_an_image_is_written_and_holes_are_not(image: Path, target: Disk, descriptor: int) -> None:
    report = write(image, Medium(descriptor, block=False))
    assert holds(target.path, image)
    assert report.written == report.verified == manifest_of(image).mapped
    data = target.path.read_bytes()
    assert data[3 << 20 : 4 << 20] == b"\xa5" * (1 << 20)
    assert data[-4096:] == b"\xa5" * 4096


def test_the_boot_area_is_emptied_first_and_armed_last(image: Path, descriptor: int) -> None:
    steps: list[str] = []

    class Watched(Medium):
        def write(self, data: memoryview, at: int) -> int:
            kind = "empty" if not any(data) else "arm"
            steps.append(kind if at < BOOT_BYTES else "body")
            return super().write(data, at)

        def read(self, length: int, at: int) -> bytes:
            steps.append("verify boot" if at < BOOT_BYTES else "verify")
            return super().read(length, at)

        def sync(self) -> None:
            steps.append("sync")
            super().sync()

    write(image, Watched(descriptor, block=False))
    short = [step for n, step in enumerate(steps) if n == 0 or step != steps[n - 1]]
    assert short == [
        "empty", "sync", "verify boot", "body", "sync", "verify", "arm", "sync", "verify boot"
    ]  # fmt: skip


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("fault", ["short", "flip", "lost"])
def test_a_damaged_write_is_found_and_written_again(
    fault: str, at: int, image: Path, target: Disk, descriptor: int
) -> None:
    report = write(image, Faulty(descriptor, fault, at))
    assert holds(target.path, image)
    # A short write is gone on with at once; the others only reading back can find.
    assert bool(report.retried) == (fault != "short")


def test_a_medium_that_stays_wrong_fails_the_unit_without_its_boot_area(
    image: Path, target: Disk, descriptor: int
) -> None:
    with pytest.raises(BenchError) as caught:
        write(image, Faulty(descriptor, "flip", at=3, times=1000))
    assert caught.value.code is Exit.MISMATCH
    assert not starts(target.path, image)


@pytest.mark.parametrize("fault", ["full", "gone", "zero", "read"])
@pytest.mark.parametrize("at", range(0, 8, 2))
def test_a_failing_target_is_told_and_never_armed(
    fault: str, at: int, image: Path, target: Disk, descriptor: int
) -> None:
    with pytest.raises(BenchError) as caught:
        write(image, Faulty(descriptor, fault, at, times=1000))
    assert caught.value.code is Exit.DEVICE
    first = target.path.read_bytes()[:BOOT_BYTES]
    # Where not one byte was taken the old content stands; in every other case nothing starts.
    assert (at == 0 and first == b"\xa5" * BOOT_BYTES) or not any(first)


@pytest.mark.slow
def test_killed_at_every_step_the_next_run_ends_right(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.writer.BATCH_BYTES", 1 << 20)  # several claims on the way
    manifest = manifest_of(image)
    killed = armed = resumed = 0
    for step in range(1000):
        target = make_target(tmp_path).path
        claims = tmp_path / "claims"
        claims.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            descriptor = os.open(target, os.O_RDWR)
            try:
                write(image, Deadly(descriptor, step), claims)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        killed += 1
        before = holds(target, image)
        # A unit that starts (its own boot area) holds the whole image.
        assert before or target.read_bytes()[:4096] != image.read_bytes()[:4096]
        armed += before
        descriptor = os.open(target, os.O_RDWR)
        report = write(image, Medium(descriptor, block=False), claims)
        os.close(descriptor)
        assert holds(target, image)
        assert not claims.exists()
        resumed += report.resumed > 0
        assert report.resumed + report.written == manifest.mapped
    assert killed > 20
    assert resumed > 0
    assert armed > 0  # killed after arming, before the end: whole, and written once more


def test_a_claim_that_is_no_longer_true_is_written_again(
    tmp_path: Path, image: Path, target: Disk, descriptor: int
) -> None:
    claims = tmp_path / "claims"
    body = [part for part in manifest_of(image).ranges if not part.boot]
    arming = 1 + sum(-(-part.length // PIECE_BYTES) for part in body)
    with pytest.raises(BenchError):
        write(image, Faulty(descriptor, "full", at=arming, times=1000), claims)
    assert claims.exists()
    with target.path.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"somebody else was here")
    report = write(image, Medium(descriptor, block=False), claims)
    assert 0 < report.resumed < manifest_of(image).mapped
    assert holds(target.path, image)


@pytest.mark.parametrize("damage", ["{", "[]", '{"image": "other", "disk": "x", "done": [0]}', ""])
def test_a_damaged_or_foreign_claim_counts_nothing(
    damage: str, tmp_path: Path, image: Path, descriptor: int
) -> None:
    claims = tmp_path / "claims"
    claims.write_text(damage, encoding="utf-8")
    assert write(image, Medium(descriptor, block=False), claims).resumed == 0


def test_many_targets_go_at_once_and_a_failing_one_fails_alone(
    tmp_path: Path, image: Path
) -> None:
    targets = [make_target(tmp_path, f"unit{n}") for n in range(5)]
    faults = {"unit1": "full", "unit3": "flip"}

    def medium(disk: Disk, descriptor: int) -> Medium:
        fault = faults.get(disk.serial)
        if fault is None:
            return Medium(descriptor, block=False)
        return Faulty(descriptor, fault, at=2, times=1000)

    results = run_all(job(image, tmp_path, *targets), QUIET, medium=medium)
    codes = {result.serial: result.code for result in results}
    assert codes == {
        "unit0": Exit.OK,
        "unit1": Exit.DEVICE,
        "unit2": Exit.OK,
        "unit3": Exit.MISMATCH,
        "unit4": Exit.OK,
    }
    for disk in targets:
        assert holds(disk.path, image) == (codes[disk.serial] is Exit.OK)
        assert starts(disk.path, image) == (codes[disk.serial] is Exit.OK)
