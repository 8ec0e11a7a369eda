"""The manifest of an image: board, version, and the mapped ranges with their SHA-256.

`<image>.manifest.json` lists what is not a hole; a hole is never written. The signature
`<image>.manifest.json.sig` is raw Ed25519 over the manifest's bytes, checked by openssl(1).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from station.outcome import BenchError, Exit

__all__ = [
    "BOOT_BYTES",
    "Manifest",
    "Range",
    "check_image",
    "load_manifest",
    "make_manifest",
    "verify_signature",
]

# What decides whether a disk boots: partition table and the loaders of all our boards lie in the
# first MiB, before the first partition. Written last, so a half-written unit never starts.
BOOT_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 4 << 20
MANIFEST_LIMIT: Final = 16 << 20
OPENSSL_S: Final = 20


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes [start, start + length) of the image and their SHA-256."""

    start: int
    length: int
    sha256: str

    @property
    def boot(self) -> bool:
        """Whether it must be written last."""
        return self.start < BOOT_BYTES


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an image is; `digest` names it in records and resume files."""

    board: str
    version: str
    size: int
    ranges: tuple[Range, ...]
    digest: str

    @property
    def mapped(self) -> int:
        """Bytes that are written."""
        return sum(part.length for part in self.ranges)


def make_manifest(image: Path, *, board: str, version: str) -> bytes:
    """Return the manifest of an image file, found by its holes."""
    descriptor = os.open(image, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            spans = list(_spans(descriptor, size))
            sums = pool.map(lambda span: _sha256(descriptor, *span), spans)
            ranges = [
                {"start": start, "length": length, "sha256": digest}
                for (start, length), digest in zip(spans, sums, strict=True)
            ]
    finally:
        os.close(descriptor)
    body = {"schema": "posfw.image", "schema_version": 1, "board": board, "version": version}
    return json.dumps({**body, "size": size, "ranges": ranges}, indent=0).encode() + b"\n"


def _spans(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield data extents, cut at the boot limit and at chunks."""
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            return  # only a hole follows
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        while start < end:
            limit = BOOT_BYTES if start < BOOT_BYTES else start + CHUNK_BYTES
            stop = min(end, limit)
            yield start, stop - start
            start = stop
        at = end


def _sha256(descriptor: int, start: int, length: int) -> str:
    found = hashlib.sha256()
    done = 0
    while done < length:
        data = os.pread(descriptor, min(1 << 20, length - done), start + done)
        if not data:
            break  # shorter than told: the sum will differ
        found.update(data)
        done += len(data)
    return found.hexdigest()


def load_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BenchError: INPUT, naming what is wrong; nothing in it is trusted unchecked.
    """
    try:
        document = json.loads(data)
        ranges = tuple(
            Range(_whole(r["start"]), _whole(r["length"]), str(r["sha256"]))
            for r in document["ranges"]
        )
        found = Manifest(
            board=str(document["board"]),
            version=str(document["version"]),
            size=_whole(document["size"]),
            ranges=ranges,
            digest=hashlib.sha256(data).hexdigest(),
        )
        if document["schema"] != "posfw.image" or document["schema_version"] != 1:
            raise ValueError("not an image manifest of version 1")  # noqa: TRY301
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(Exit.INPUT, f"The manifest cannot be used: {error!r}.") from error
    _check_ranges(found)
    return found


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no byte count")
    return value


def _check_ranges(manifest: Manifest) -> None:
    at = 0
    for part in manifest.ranges:
        crosses = part.start < BOOT_BYTES < part.start + part.length
        if part.start < at or part.length == 0 or crosses or len(part.sha256) != 64:
            raise BenchError(Exit.INPUT, f"The manifest's range at {part.start} is wrong.")
        at = part.start + part.length
    if at > manifest.size or not manifest.ranges:
        raise BenchError(Exit.INPUT, "The manifest's ranges do not lie within the image.")


def check_image(image: Path, manifest: Manifest) -> None:
    """Read the whole mapped image and compare it with its manifest.

    Raises:
        BenchError: INPUT; the image is truncated or differs.
    """
    descriptor = os.open(image, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        if size != manifest.size:
            told = f"The image has {size} bytes, its manifest says {manifest.size}: truncated?"
            raise BenchError(Exit.INPUT, told)
        wrong = _wrong(descriptor, manifest.ranges)
    finally:
        os.close(descriptor)
    if wrong:
        starts = ", ".join(str(part.start) for part in wrong[:5])
        raise BenchError(Exit.INPUT, f"The image differs from its manifest at byte {starts}.")


def _wrong(descriptor: int, ranges: Iterable[Range]) -> list[Range]:
    parts = list(ranges)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:  # hashlib lets go of the lock
        sums = pool.map(lambda part: _sha256(descriptor, part.start, part.length), parts)
        return [part for part, found in zip(parts, sums, strict=True) if found != part.sha256]


def verify_signature(manifest: Path, key: Path) -> None:
    """Check `<manifest>.sig` with a public key (PEM, Ed25519).

    Raises:
        BenchError: INPUT; missing, wrong, or openssl cannot tell.
    """
    signature = manifest.with_name(manifest.name + ".sig")
    if not signature.is_file():
        raise BenchError(Exit.INPUT, f"There is no signature {signature}.")
    command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(key)]
    command += ["-in", str(manifest), "-sigfile", str(signature)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=OPENSSL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(Exit.INPUT, f"openssl cannot check the signature: {error}.") from error
    # Exit codes of foreign tools are not believed alone (uuu #455): the words must agree.
    if done.returncode != 0 or b"Signature Verified Successfully" not in done.stdout:
        raise BenchError(Exit.INPUT, f"The signature {signature} is not by the key {key}.")
