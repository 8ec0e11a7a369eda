"""`posfw doctor`: what this machine lacks, and how to mend it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from posfw.cli.places import load_board, state_option
from posfw.values.errors import PosfwError

__all__ = ["doctor"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ok, warn or fail, what was seen, and how to mend it."""

    id: str
    state: str
    detail: str
    fix: str = ""


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return Finding("python", "ok" if good else "fail", version, "Install Python 3.11 or newer.")


def _sqlite() -> Finding:
    good = sqlite3.sqlite_version_info >= (3, 40)
    return Finding(
        "sqlite", "ok" if good else "fail", sqlite3.sqlite_version, "Install SQLite 3.40 or newer."
    )


def _tls() -> Finding:
    good = ssl.HAS_TLSv1_3
    return Finding("tls", "ok" if good else "fail", ssl.OPENSSL_VERSION, "OpenSSL with TLS 1.3.")


def _board() -> Finding:
    try:
        profile = load_board("host")
    except PosfwError as error:
        return Finding("board", "fail", error.cause, error.next_step_text)
    return Finding("board", "ok", f"{profile.id}: {profile.name}")


def _chip_cards() -> Finding:
    found = importlib.util.find_spec("smartcard") is not None
    return Finding(
        "pcsc",
        "ok" if found else "warn",
        "pyscard is there" if found else "no PC/SC binding: chip readers cannot be used",
        "apt-get install pcscd libpcsclite-dev swig gcc, then pip install 'posfw[pcsc]'",
    )


def _barcodes() -> Finding:
    found = shutil.which("zbarimg") is not None
    return Finding(
        "zbarimg",
        "ok" if found else "warn",
        "codes on receipts can be read back" if found else "tests cannot read codes back",
        "apt-get install zbar-tools",
    )


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _sqlite,
    _tls,
    _board,
    _chip_cards,
    _barcodes,
)


def _state_folder(state: Path) -> Finding:
    running = (state / "control.sock").exists()
    detail = f"{state}: a terminal is running" if running else f"{state}: no terminal is running"
    return Finding("terminal", "ok" if running else "warn", detail, "posfw run")


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def doctor(state: Path, *, as_json: bool) -> int:
    """Say what is missing on this machine and how to mend it. 检查"""
    findings = [check() for check in _CHECKS] + [_state_folder(state)]
    failed = any(finding.state == "fail" for finding in findings)
    if as_json:
        checks = [
            {"id": f.id, "state": f.state, "detail": f.detail, "fix": f.fix} for f in findings
        ]
        document = {"schema": "posfw.doctor", "schema_version": 1, "checks": checks}
        click.echo(json.dumps(document, ensure_ascii=False))
        return int(failed)
    for finding in findings:
        click.echo(f"{finding.state:4}  {finding.id:10} {finding.detail}")
        if finding.state != "ok" and finding.fix:
            click.echo(f"      {'':10} -> {finding.fix}")
    return int(failed)
