"""`write`: everything is looked at before the first byte, then all targets at once."""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from station import disks, ledger, manifest, writer
from station.disks import Disk, Rules
from station.manifest import Manifest
from station.outcome import BenchError, Exit, tell
from station.progress import Progress

__all__ = ["Job", "main", "prepare", "run_all"]


@dataclass(frozen=True, slots=True)
class Job:
    """A checked order: this image to these targets."""

    image: Path
    manifest: Manifest
    targets: tuple[Disk, ...]
    state: Path


@dataclass(frozen=True, slots=True)
class Result:
    """How one target ended; `reasons` is empty when it is right."""

    target: str
    code: Exit
    serial: str
    report: writer.Report
    reasons: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        return {
            "target": self.target,
            "exit": int(self.code),
            "ok": self.code is Exit.OK,
            "serial": self.serial,
            "written": self.report.written,
            "verified": self.report.verified,
            "resumed": self.report.resumed,
            "retried_at": self.report.retried,
            "reasons": list(self.reasons),
        }


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(
        prog="write",
        description="Write an image to disks, prove it by reading back, arm the boot area last.",
        epilog="Exit: 0 all right, 1 a target failed, 2 usage, 3 not found, 4 refused by a guard,"
        " 5 target gone, 6 wrong after writing, 7 busy, 78 image unusable.",
    )
    made.add_argument("image", type=Path, help="image file; its manifest lies beside it")
    made.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="ID",
        help="/dev/disk/by-id/…, /dev/disk/by-path/…, loop:FILE or file:FILE",
    )
    made.add_argument("--board", help="id of the board on the bench; must be the image's")
    made.add_argument("--key", type=Path, help="public key (PEM) the manifest must be signed by")
    made.add_argument("--unsigned", action="store_true", help="take an unsigned image: own bench")
    made.add_argument("--bus", action="append", default=[], help="bus a disk must hang at")
    made.add_argument("--usb", action="append", default=[], metavar="VID:PID")
    made.add_argument("--size-max", type=int, default=2 << 40, help="bytes a target may have")
    made.add_argument("--ports", type=Path, help="file with the targets that --yes may write")
    made.add_argument("--yes", action="store_true", help="do not ask; needs --ports for disks")
    made.add_argument("--plan", action="store_true", help="tell every step and change nothing")
    made.add_argument(
        "--manifest",
        nargs=2,
        metavar=("BOARD", "VERSION"),
        help="write the image's manifest and end",
    )
    made.add_argument(
        "--state",
        type=Path,
        default=Path("flash-state"),
        help="folder of leases and of what a cut run had done",
    )
    made.add_argument("--ledger", type=Path, help="the station's record; each result is added")
    made.add_argument("--operator", default="", help="who is at the bench")
    made.add_argument("--json", action="store_true", help="one JSON document on stdout")
    made.add_argument(
        "--progress",
        choices=("text", "json", "none"),
        default="text" if sys.stderr.isatty() else "none",
    )
    return made  # fmt: skip


def prepare(options: argparse.Namespace, root: Path = Path("/")) -> Job:
    """Look at image, signature, board and every target; nothing is opened for writing.

    Raises:
        BenchError: with every reason of the part that failed.
    """
    path = options.image.with_name(options.image.name + ".manifest.json")
    if not options.image.is_file() or not path.is_file():
        raise BenchError(Exit.NOT_FOUND, f"{options.image} and {path.name} must both be there.")
    if options.key is None and not options.unsigned:
        raise BenchError(Exit.USAGE, "Say --key FILE, or --unsigned on your own bench.")
    if path.stat().st_size > manifest.MANIFEST_LIMIT:
        raise BenchError(Exit.INPUT, "The manifest is too large.")
    found = manifest.load_manifest(path.read_bytes())
    if options.key is not None:
        manifest.verify_signature(path, options.key)
    if options.board is not None and options.board != found.board:
        told = f"The image is for the board {found.board!r}, not for {options.board!r}."
        raise BenchError(Exit.INPUT, told)
    targets = _targets(options, found, root)
    manifest.check_image(options.image, found)
    return Job(options.image, found, targets, options.state)


def _targets(options: argparse.Namespace, image: Manifest, root: Path) -> tuple[Disk, ...]:
    if not options.target:
        raise BenchError(Exit.USAGE, "Name the targets with --target; there is no default.")
    usb = tuple(_usb_id(text) for text in options.usb)
    rules = Rules(image.size, options.size_max, tuple(options.bus), usb)
    targets = tuple(disks.inspect(ident, root) for ident in options.target)
    reasons = [text for disk in targets for text in disks.refusals(disk, rules)]
    seen: dict[Path, str] = {}
    for disk in targets:
        if disk.path.resolve() in seen:
            reasons.append(f"{disk.ident} is the same disk as {seen[disk.path.resolve()]}.")
        seen[disk.path.resolve()] = disk.ident
    if any(disk.kind == "file" and disk.path.samefile(options.image) for disk in targets):
        reasons.append("The image itself cannot be a target.")
    if reasons:
        raise BenchError(Exit.REFUSED, *reasons)
    return targets


def _usb_id(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})", text)
    if match is None:
        raise BenchError(Exit.USAGE, f"{text!r} is no VID:PID.")
    return int(match[1], 16), int(match[2], 16)


def confirm(job: Job, options: argparse.Namespace, ask: Callable[[str], str]) -> None:
    """Have the operator type the end of each disk's serial.

    Raises:
        BenchError: REFUSED; wrong word, or --yes beyond the list of ports.
    """
    allowed: set[str] = set()
    if options.ports is not None:
        allowed = set(options.ports.read_text(encoding="utf-8").split())
    for disk in job.targets:
        if options.yes:
            if disk.kind == "disk" and disk.ident not in allowed:
                raise BenchError(Exit.REFUSED, f"--yes: {disk.ident} is not in the --ports file.")
            continue
        shown = f"{disk.ident}: {disk.model} {disk.serial}, {disk.size} bytes, {disk.bus}"
        if ask(f"{shown}\nEverything on it is lost. Type {disk.word!r} to go on: ") != disk.word:
            raise BenchError(Exit.REFUSED, f"{disk.ident} was not confirmed; nothing was written.")


def run_all(
    job: Job,
    progress: Progress,
    *,
    medium: Callable[[Disk, int], writer.Medium] | None = None,
) -> list[Result]:
    """Write all targets at once, each for itself; a failing one stops nobody."""
    job.state.mkdir(parents=True, exist_ok=True)
    make = medium or (lambda disk, fd: writer.Medium(fd, block=disk.kind != "file"))
    with ThreadPoolExecutor(len(job.targets)) as pool:
        return list(pool.map(lambda disk: _one(job, disk, progress, make), job.targets))


def _one(
    job: Job, disk: Disk, progress: Progress, make: Callable[[Disk, int], writer.Medium]
) -> Result:
    report = writer.Report()
    try:
        with _lease(job.state, disk):
            descriptor = disks.open_exclusive(disk)
            try:
                _still_the_same(disk, descriptor)
                report = writer.write_target(
                    job.image,
                    job.manifest,
                    make(disk, descriptor),
                    resume=_resume(job, disk),
                    progress=lambda *step: progress.tell(disk.ident, *step),
                )
            finally:
                os.close(descriptor)
    except BenchError as error:
        return Result(disk.ident, error.code, disk.serial, report, tuple(error.reasons))
    except OSError as error:
        reason = f"The bench itself failed: {error}."
        return Result(disk.ident, Exit.FAILED, disk.serial, report, (reason,))
    return Result(disk.ident, Exit.OK, disk.serial, report)


def _still_the_same(disk: Disk, descriptor: int) -> None:
    """Look again, now that nobody can take it away: a stick may have been changed meanwhile.

    Raises:
        BenchError: REFUSED; nothing was written.
    """
    now = disks.inspect(disk.ident)
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if (now.path, now.serial, now.size) != (disk.path, disk.serial, disk.size) or size != now.size:
        told = f"{disk.ident} is not the disk that was confirmed."
        raise BenchError(Exit.REFUSED, told)


def _name(disk: Disk) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", disk.ident)[-120:]


def _resume(job: Job, disk: Disk) -> writer.Resume:
    # The serial is part of the key: another stick in the same socket starts anew.
    key = f"{disk.ident} {disk.serial} {disk.size}"
    path = job.state / f"{_name(disk)}.resume.json"
    return writer.Resume(path, image=job.manifest.digest, disk=key)


@contextmanager
def _lease(state: Path, disk: Disk) -> Iterator[None]:
    with (state / f"{_name(disk)}.lease").open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            told = f"Another process writes {disk.ident}."
            raise BenchError(Exit.BUSY, told) from error
        yield


def plan(job: Job) -> list[str]:
    """Return every step in words, in order."""
    steps = [f"image {job.image}: {job.manifest.board} {job.manifest.version}, checked in full"]
    body = [part for part in job.manifest.ranges if not part.boot]
    for disk in job.targets:
        steps.append(f"{disk.ident}: open {disk.path} exclusively")
        steps.append(f"{disk.ident}: empty bytes 0 to {manifest.BOOT_BYTES - 1}, sync")
        for part in [*body, *(part for part in job.manifest.ranges if part.boot)]:
            end = part.start + part.length - 1
            steps.append(f"{disk.ident}: write, sync, read back bytes {part.start} to {end}")
    return steps


def main(arguments: Sequence[str] | None = None, *, ask: Callable[[str], str] = input) -> int:
    """Run `write`; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.manifest:
            return _manifest(options)
        job = prepare(options)
        if options.plan:
            steps = plan(job)
            tell("posfw.flash.plan", {"steps": steps}, as_json=options.json, text="\n".join(steps))
            return Exit.OK
        confirm(job, options, ask)
        results = run_all(job, Progress(options.progress))
        if options.ledger is not None:
            _record(job, results, options)
    except BenchError as error:
        fields = {"exit": int(error.code), "reasons": list(error.reasons), "targets": []}
        tell("posfw.flash.write", fields, as_json=options.json, text="")
        for reason in error.reasons:
            sys.stderr.write(reason + "\n")
        return error.code
    except (KeyboardInterrupt, EOFError):
        return Exit.INTERRUPTED
    return _end(results, as_json=options.json)


def _record(job: Job, results: Sequence[Result], options: argparse.Namespace) -> None:
    """Add what was meant and what was seen; what was not looked at is null."""
    book = ledger.Ledger(options.ledger)
    try:
        for result in results:
            ok = result.code is Exit.OK
            intended = {
                "image": job.manifest.digest,
                "board": job.manifest.board,
                "version": job.manifest.version,
                "operator": options.operator,
                "bytes": job.manifest.mapped,
            }
            observed = result.document() | {"image": job.manifest.digest if ok else None}
            body = {"ok": ok, "intended": intended, "observed": observed}
            book.append("write", result.serial, body, at=datetime.now(UTC))
    finally:
        book.close()


def _manifest(options: argparse.Namespace) -> int:
    board, version = options.manifest
    path = options.image.with_name(options.image.name + ".manifest.json")
    path.write_bytes(manifest.make_manifest(options.image, board=board, version=version))
    tell("posfw.flash.manifest", {"path": str(path)}, as_json=options.json, text=str(path))
    return Exit.OK


def _end(results: Sequence[Result], *, as_json: bool) -> int:
    bad = [result for result in results if result.code is not Exit.OK]
    code = bad[0].code if len(results) == 1 and bad else (Exit.FAILED if bad else Exit.OK)
    lines = []
    for result in results:
        word = "PASS" if result.code is Exit.OK else "FAIL"
        lines.append(f"{word} {result.target} {' '.join(result.reasons)}".rstrip())
    fields = {"exit": int(code), "reasons": [], "targets": [r.document() for r in results]}
    tell("posfw.flash.write", fields, as_json=as_json, text="\n".join(lines))
    return code
