"""`posfw doctor`: what this machine lacks, and how to mend it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import click

from posfw.board.profile import BoardProfile
from posfw.cli.asking import json_option
from posfw.cli.places import load_board, state_option
from posfw.values.errors import PosfwError

__all__ = ["Finding", "doctor", "findings"]

BUILT = datetime(2026, 1, 1, tzinfo=UTC)  # a clock before this is wrong: certificates look unborn
RAM_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "overlay"})
FOREIGN_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "vfat", "exfat", "fuse", "9p"})
# Program -> (what it is for, how to get it). None of them is needed to sell.
PROGRAMS = {
    "zbarimg": ("codes on receipts are read back in tests", "apt-get install zbar-tools"),
    "softhsm2-util": ("the PKCS#11 tests", "apt-get install softhsm2"),
    "pcscd": ("chip card readers", "apt-get install pcscd"),
    "gcc": ("building the PC/SC binding", "apt-get install gcc libpcsclite-dev swig"),
    "qemu-system-aarch64": ("make qemu", "apt-get install qemu-system-arm"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ok, warn or fail, what was seen, and how to mend it."""

    id: str
    state: str
    detail: str
    fix: str = ""


def findings(state: Path, board: str) -> Iterator[Finding]:
    """Look at the machine, the board and the state folder; nothing is changed."""
    yield from _machine()
    yield from _packages()
    yield from _programs()
    try:
        profile = load_board(board)
    except PosfwError as error:
        yield Finding("board", "fail", error.cause, error.next_step_text)
    else:
        yield Finding("board", "ok", f"{profile.id}: {profile.name}")
        yield _space(state, profile)
        yield from _ports(state, profile)
    yield _file_system(state)
    yield _running(state / "control.sock", "terminal", "posfw run")
    yield _running(state / "rig" / "control.sock", "rig", "posfw sim rig (simulated boards only)")


def _machine() -> Iterator[Finding]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield _is(sys.version_info >= (3, 11), "python", python, "Install Python 3.11 or newer.")
    good = sqlite3.sqlite_version_info >= (3, 40)
    yield _is(good, "sqlite", sqlite3.sqlite_version, "Install SQLite 3.40 or newer.")
    yield _is(ssl.HAS_TLSv1_3, "tls", ssl.OPENSSL_VERSION, "Install OpenSSL with TLS 1.3.")
    now = datetime.now().astimezone()
    seen = now.isoformat(timespec="seconds")
    yield _is(now > BUILT, "clock", seen, "Set the clock: timedatectl set-ntp true")


def _packages() -> Iterator[Finding]:
    """Name the libraries that posfw needs and that are not installed."""
    try:
        needed = [line for line in requires("posfw") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Finding("packages", "fail", "posfw is not installed", "make run")
        return
    missing = [name for name in map(_name, needed) if not _installed(name)]
    detail = f"missing: {', '.join(missing)}" if missing else f"{len(needed)} libraries are there"
    yield _is(not missing, "packages", detail, "make run sets the environment up again")
    for extra, module in (("pcsc", "smartcard"), ("pkcs11", "pkcs11"), ("device", "gpiod")):
        found = importlib.util.find_spec(module) is not None
        detail = f"{module} is there" if found else f"no {module}: this hardware cannot be used"
        fix = f"pip install 'posfw[{extra}]'"
        yield Finding(extra, "ok" if found else "warn", detail, fix)


def _name(requirement: str) -> str:
    return re.split(r"[<>=~!;\[ ]", requirement, maxsplit=1)[0]


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _programs() -> Iterator[Finding]:
    for program, (purpose, fix) in PROGRAMS.items():
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        yield Finding(program, "ok" if found else "warn", found or f"missing: {purpose}", fix)


def _space(state: Path, profile: BoardProfile) -> Finding:
    free_mib = shutil.disk_usage(_existing(state)).free // 2**20
    detail = f"{free_mib} MiB free, {profile.reserve_mib} MiB kept for reversals and settlement"
    return _is(free_mib > profile.reserve_mib, "space", detail, "Free space: posfw journal backup")


def _ports(state: Path, profile: BoardProfile) -> Iterator[Finding]:
    for role, port in profile.ports.items():
        if "://" in port.path:
            yield Finding(f"port {role}", "ok", port.path)
            continue
        path = state / port.path
        usable = path.exists() and os.access(path, os.R_OK | os.W_OK)
        detail = str(path) if usable else f"{path} is not there, or not ours"
        fix = "Plug it in; add the user to the group dialout; on host: posfw sim rig"
        yield Finding(f"port {role}", "ok" if usable else "warn", detail, fix)


def _file_system(state: Path) -> Finding:
    """A journal on memory or on somebody else's disk does not survive what it promises to."""
    folder = str(_existing(state).resolve())
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    under = [
        (len(m[1]), m[2]) for m in mounts if folder == m[1] or folder.startswith(_slash(m[1]))
    ]
    kind = max(under)[1] if under else "unknown"
    detail = f"{folder} is on {kind}"
    if kind in FOREIGN_FILE_SYSTEMS:
        return Finding(
            "disk", "fail", f"{detail}: a sync there proves nothing", "Use ext4 or f2fs."
        )
    if kind in RAM_FILE_SYSTEMS:
        return Finding("disk", "warn", f"{detail}: fine for trying, not for selling", "Use ext4.")
    return Finding("disk", "ok", detail)


def _running(path: Path, what: str, start: str) -> Finding:
    with socket.socket(socket.AF_UNIX) as line:
        answers = line.connect_ex(str(path)) == 0
    detail = f"answers at {path}" if answers else f"none answers at {path}"
    return Finding(what, "ok" if answers else "warn", detail, start)


def _is(good: bool, name: str, detail: str, fix: str) -> Finding:  # noqa: FBT001 - one verdict
    return Finding(name, "ok" if good else "fail", detail, fix)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def _slash(mount: str) -> str:
    return mount.rstrip("/") + "/"


@click.command()
@state_option
@click.option("--board", default="host", show_default=True, help="Board id or folder.")
@json_option
def doctor(state: Path, board: str, *, as_json: bool) -> int:
    """Say what is missing on this machine and how to mend it. 检查

    Exits 1 if something would keep the terminal from selling; a warning does not.
    """
    found = list(findings(state, board))
    if as_json:
        checks = [asdict(finding) for finding in found]
        document = {"schema": "posfw.doctor", "schema_version": 1, "checks": checks}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for finding in found:
            click.echo(f"{finding.state:4}  {finding.id:20} {finding.detail}")
            if finding.state != "ok" and finding.fix:
                click.echo(f"      {'':20} -> {finding.fix}")
    return int(any(finding.state == "fail" for finding in found))
