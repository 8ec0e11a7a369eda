"""`posfw preauth` and `posfw balance`: what takes no money yet, or only looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import intent_option, json_option, perform
from posfw.cli.cashier import approved, by, card_options, keyed, operator_option
from posfw.cli.operator import approval_option
from posfw.cli.places import state_option

__all__ = ["balance", "preauth"]


@click.command()
@card_options
@operator_option
@state_option
@json_option
def balance(pan: str, expiry: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Ask what a card's account holds. 余额查询"""
    request: dict[str, Any] = {"do": "balance", **by(operator), **keyed(pan, expiry)}
    return perform(state / "control.sock", request, as_json=as_json)


@click.group()
def preauth() -> None:
    """Hold an amount now, take it later. 预授权"""


@preauth.command()
@click.argument("amount")
@card_options
@operator_option
@intent_option
@state_option
@json_option
def start(amount: str, pan: str, expiry: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Hold AMOUNT on a card. 预授权"""
    request = {"do": "preauth", "amount": amount, **by(operator), **keyed(pan, expiry)}
    return perform(state / "control.sock", request, as_json=as_json)


def _onward(verb: str, fields: dict[str, Any], state: Path, *, as_json: bool) -> int:
    return perform(state / "control.sock", {"do": verb, **fields}, as_json=as_json)


@preauth.command()
@click.argument("key")
@click.argument("amount")
@operator_option
@intent_option
@state_option
@json_option
def add(key: str, amount: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Hold AMOUNT more for the authorisation KEY. 追加预授权"""
    fields = {"key": key, "amount": amount, **by(operator)}
    return _onward("preauth_add", fields, state, as_json=as_json)


@preauth.command()
@click.argument("key")
@click.argument("amount")
@click.option("--advice", is_flag=True, help="Tell the bank, do not ask; works offline. 通知")
@operator_option
@intent_option
@state_option
@json_option
def complete(
    key: str, amount: str, operator: str, state: Path, *, advice: bool, as_json: bool
) -> int:
    """Take AMOUNT of what the authorisation KEY holds. 预授权完成"""
    fields = {"key": key, "amount": amount, **by(operator)}
    verb = "completion_advice" if advice else "completion"
    return _onward(verb, fields, state, as_json=as_json)


@preauth.command()
@click.argument("key")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def void(key: str, operator: str, approver: str, state: Path, *, as_json: bool) -> int:
    """Let go of everything that the authorisation KEY holds. 预授权撤销"""
    request = {"do": "preauth_void", "key": key, **by(operator)}
    return approved(state, request, approver, as_json=as_json)


@preauth.command("void-complete")
@click.argument("key")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def void_complete(key: str, operator: str, approver: str, state: Path, *, as_json: bool) -> int:
    """Take the completion KEY back on the same day. 预授权完成撤销"""
    request = {"do": "completion_void", "key": key, **by(operator)}
    return approved(state, request, approver, as_json=as_json)
