"""Debian packages of another architecture: resolved by a private apt, pinned, unpacked.

Nothing of the packages is run: `dpkg-deb --fsys-tarfile` writes a tar, and that is unpacked.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from station.outcome import BenchError, Exit

__all__ = ["Apt", "Package", "compare", "read_lock", "sha256", "unpack", "write_lock"]

SOURCES: Final = Path("/etc/apt/sources.list.d/debian.sources")
APT_S: Final = 600


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package file; `sha256` is of the .deb."""

    name: str
    version: str
    sha256: str = ""


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run a tool of this machine and return what it says.

    Raises:
        BenchError: NOT_FOUND without the tool, FAILED with its last words.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **extra}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=APT_S,
            check=False,
            cwd=cwd,
            env=environment,
        )
    except FileNotFoundError as error:
        raise BenchError(Exit.NOT_FOUND, f"There is no {command[0]} here.") from error
    if done.returncode:
        raise BenchError(Exit.FAILED, f"{command[0]} failed: {done.stderr.strip()[-600:]}")
    return done.stdout


class Apt:
    """An apt of our own in a folder: foreign architecture, no installed packages."""

    def __init__(self, folder: Path, arch: str, sources: Path = SOURCES) -> None:
        self.folder, self.arch, self.sources = folder, arch, sources
        self.notes: list[str] = []
        for part in ("lists/partial", "cache/archives/partial", "debs"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")

    def _apt(self, *words: str) -> str:
        options = {
            "APT::Architecture": self.arch,
            "APT::Architectures": self.arch,
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "root",
            "Dir::State::Lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            "Dir::State::status": self.folder / "status",
            "Dir::Etc::sourcelist": self.sources,
            "Dir::Etc::sourceparts": "/dev/null",
        }
        flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return run(["apt-get", "-qq", *flags, *words], cwd=self.folder / "debs")

    def update(self) -> None:
        """Fetch the lists; an index of the security suite that is broken is left out and noted."""
        try:
            self._apt("update")
        except BenchError:
            stanzas = self.sources.read_text().split("\n\n")
            kept = self.folder / "no-security.sources"
            kept.write_text("\n\n".join(part for part in stanzas if "security" not in part))
            self.sources = kept
            self.notes.append("built without the security suite: its index could not be read")
            self._apt("update")

    def resolve(self, want: Iterable[str], drop: Iterable[str]) -> list[Package]:
        """Return names and versions of what `want` needs, less `drop`."""
        left_out = set(drop)
        found = []
        for line in self._apt("install", "--print-uris", *want).splitlines():
            name, version, _ = line.split()[1].split(
                "_"
            )  # 'URI' name_version_arch.deb size digest
            if name not in left_out:
                found.append(Package(name, unquote(version)))
        return sorted(found)

    def download(self, packages: Iterable[Package]) -> list[Package]:
        """Fetch what is not here yet; apt checks it against the signed index. Adds the digests."""
        wanted = list(packages)
        missing = [p for p in wanted if self.file(p) is None]
        if missing:
            self._apt("download", *(f"{p.name}={p.version}" for p in missing))
        found = []
        for package in wanted:
            file = self.file(package)
            if file is None:
                raise BenchError(Exit.FAILED, f"apt did not bring {package.name}.")
            found.append(Package(package.name, package.version, sha256(file)))
        return found

    def file(self, package: Package) -> Path | None:
        """Return the file of a package, None if it is not here."""
        version = package.version.replace(":", "%3a")
        return next((self.folder / "debs").glob(f"{package.name}_{version}_*.deb"), None)


def unpack(deb: Path, root: Path) -> None:
    """Unpack the files of a package; none of its scripts is run."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as source:
        command = [
            "tar",
            "-x",
            "-C",
            str(root),
            "--keep-directory-symlink",
            "--no-same-owner",
            "-p",
        ]
        done = subprocess.run(command, stdin=source.stdout, capture_output=True, check=False)
    if done.returncode or source.returncode:
        raise BenchError(Exit.FAILED, f"{deb.name} cannot be unpacked: {done.stderr[-300:]!r}")


def read_lock(path: Path) -> list[Package]:
    """Read a lock file: `name version sha256` in each line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Package(*line.split()) for line in lines if line and not line.startswith("#")]


def write_lock(path: Path, packages: Iterable[Package], about: str) -> None:
    """Write a lock file."""
    lines = [f"{p.name} {p.version} {p.sha256}\n" for p in sorted(packages)]
    path.write_text(f"# {about}\n{''.join(lines)}", encoding="utf-8")


def compare(locked: Iterable[Package], found: Iterable[Package]) -> list[str]:
    """Return a sentence for every difference between a lock and what was found."""
    before: Mapping[str, Package] = {p.name: p for p in locked}
    after: Mapping[str, Package] = {p.name: p for p in found}
    told = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            told.append(f"{name} is {'new' if old is None else 'gone'}")
        elif old != new:
            told.append(f"{name} {old.version} is now {new.version} ({new.sha256[:12]})")
    return told
