"""`posfw certificate`: until when the terminal's certificate is valid, and renewing it."""

from __future__ import annotations

from pathlib import Path

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.places import state_option

__all__ = ["certificate"]


@click.group()
def certificate() -> None:
    """The terminal's certificate for the line: show, renew. 证书"""


@certificate.command()
@state_option
@json_option
def show(state: Path, *, as_json: bool) -> int:
    """Show name, issuer, end and days left; exit code 1 from 30 days before the end. 查看证书"""
    return perform(state / "control.sock", {"do": "certificate"}, as_json=as_json)


@certificate.command()
@state_option
@json_option
def renew(state: Path, *, as_json: bool) -> int:
    """Ask the acquirer for a new one now; the terminal does so by itself too. 更新证书"""
    return perform(state / "control.sock", {"do": "certificate_renew"}, as_json=as_json)
