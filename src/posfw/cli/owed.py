"""`posfw owed`: what the acquirer has not heard of, what it refused, and ending it by hand."""

from __future__ import annotations

from pathlib import Path

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.operator import approval_option, with_approval
from posfw.cli.places import state_option

__all__ = ["owed"]


@click.group()
def owed() -> None:
    """Messages owed to the acquirer: list, clear. 待发报文"""


@owed.command("list")
@state_option
@json_option
def list_(state: Path, *, as_json: bool) -> int:
    """Show what is owed, and what the acquirer refused; exit code 1 if it refused any. 清单"""
    return perform(state / "control.sock", {"do": "owed"}, as_json=as_json)


@owed.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="On record with who approved. 原因")
@approval_option
@state_option
@json_option
def clear(number: int, reason: str, approver: str, state: Path, *, as_json: bool) -> int:
    """End message NUMBER by hand, after a word with the acquirer. 手工清除

    A reversal that is cleared is never sent: the cardholder's money may stay blocked.
    """
    request = {"do": "owed_clear", "number": number, "reason": reason, **with_approval(approver)}
    return perform(state / "control.sock", request, as_json=as_json)
