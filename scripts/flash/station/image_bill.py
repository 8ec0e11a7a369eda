"""The bill of materials of an image: CycloneDX 1.5, packages and wheels with their digests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from station.image_disk import identity
from station.image_packages import Package, sha256

__all__ = ["bill"]


def _part(name: str, version: str, purl: str, digest: str) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "library", "name": name, "version": version, "purl": purl, "hashes": hashes}


def bill(
    board: str, arch: str, packages: Iterable[Package], wheels: Iterable[Path], epoch: int
) -> dict[str, Any]:
    """Return the document; the same inputs give the same bytes."""
    parts = [
        _part(p.name, p.version, f"pkg:deb/debian/{p.name}@{p.version}?arch={arch}", p.sha256)
        for p in sorted(packages)
    ]
    for wheel in sorted(wheels, key=lambda path: path.name):
        name, version = wheel.name.split("-")[:2]
        name = name.replace("_", "-").lower()
        parts.append(_part(name, version, f"pkg:pypi/{name}@{version}", sha256(wheel)))
    made = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    about = {"type": "operating-system", "name": f"posfw-{board}", "version": str(epoch)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{identity(board, str(epoch))}",
        "version": 1,
        "metadata": {"timestamp": made, "component": about},
        "components": parts,
    }
