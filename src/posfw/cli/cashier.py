"""The cashier's commands: one request to the running terminal over its control socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import ask, intent_option, json_option, perform, tell
from posfw.cli.operator import approval_option, with_approval
from posfw.cli.places import state_option

__all__ = [
    "adjust",
    "approved",
    "by",
    "card_options",
    "instalments",
    "keyed",
    "operator_option",
    "parameters",
    "prints",
    "ready",
    "refund",
    "reprint",
    "sale",
    "sign_on",
    "status",
    "tip",
    "void",
]

APPROVAL_MISSING = "OPR-120"


def _perform(state: Path, request: Mapping[str, Any], *, as_json: bool) -> int:
    return perform(state / "control.sock", request, as_json=as_json)


operator_option = click.option(
    "--operator", default="", help="Who; default: who is signed in. 操作员"
)


def card_options(function: Any) -> Any:  # a click decorator: click's own types are as loose
    """Add `--pan` and `--expiry` to a command that waits for a card."""
    pan = click.option("--pan", default="", help="Key the card by hand: its number. 手输卡号")
    return pan(click.option("--expiry", default="", help="With --pan: YYMM. 有效期")(function))


def keyed(pan: str, expiry: str) -> dict[str, Any]:
    """Return the request's card where one is keyed; without it the next swipe is taken."""
    return {"keyed": {"pan": pan, "expiry": expiry}} if pan else {}


def by(operator: str) -> dict[str, Any]:
    """Return the request's operator where one is named."""
    return {"operator": operator} if operator else {}


def approved(state: Path, request: Mapping[str, Any], approver: str, *, as_json: bool) -> int:
    """Ask; where a supervisor must approve, ask for the password and then again."""
    path = state / "control.sock"
    body = ask(path, request, quiet=as_json)
    if body.get("error", {}).get("code") == APPROVAL_MISSING:
        body = ask(path, {**request, **with_approval(approver)}, quiet=as_json)
    return tell(body, as_json=as_json)


@click.command()
@state_option
@json_option
def status(state: Path, *, as_json: bool) -> int:
    """Show line, batch, owed messages, printer and queue. 状态"""
    return _perform(state, {"do": "status"}, as_json=as_json)


@click.command()
@state_option
@json_option
def ready(state: Path, *, as_json: bool) -> int:
    """Look at everything before the first sale; exit code 1 if something is missing. 开机查询"""
    return _perform(state, {"do": "ready"}, as_json=as_json)


@click.command()
@state_option
@json_option
def parameters(state: Path, *, as_json: bool) -> int:
    """Load new parameters from the acquirer and list their versions. 下载参数"""
    return _perform(state, {"do": "parameters_load"}, as_json=as_json)


@click.command("sign-on")
@state_option
@json_option
def sign_on(state: Path, *, as_json: bool) -> int:
    """Sign on at the acquirer: batch number, time, what to do first. 签到"""
    return _perform(state, {"do": "sign_on"}, as_json=as_json)


@click.command()
@click.argument("amount")
@card_options
@click.option("--note", default="", help="Order or delivery number, such as DLV-1. 备注")
@click.option("--tip", default="", help="On top of AMOUNT. 小费")
@click.option("--instalment", type=int, default=0, help="In so many periods. 分期期数")
@click.option("--plan", default="", help="With --instalment: the acquirer's plan. 分期计划")
@click.option("--auth", default="", help="Authorisation code given by telephone. 电话授权码")
@operator_option
@intent_option
@state_option
@json_option
def sale(
    amount: str,
    pan: str,
    expiry: str,
    note: str,
    tip: str,
    instalment: int,
    plan: str,
    auth: str,
    operator: str,
    state: Path,
    *,
    as_json: bool,
) -> int:
    """Take AMOUNT (such as 12.50) from a card. 消费

    With --instalment it is paid back in periods (分期), with --auth the bank has authorised it by
    telephone and is only told (离线结算). Ctrl-C cancels while a card is waited for (取消).
    """
    if instalment and auth:
        raise click.UsageError("--instalment needs the bank's answer; --auth has it by telephone.")
    verb = "instalment" if instalment else "offline_sale" if auth else "sale"
    more = {"tip": tip, "periods": instalment, "plan": plan, "auth_code": auth}
    asked = {"do": verb, "amount": amount, "note": note} | {k: v for k, v in more.items() if v}
    request = {**asked, **by(operator), **keyed(pan, expiry)}
    return _perform(state, request, as_json=as_json)


@click.command()
@click.argument("key")
@click.argument("amount")
@operator_option
@intent_option
@state_option
@json_option
def tip(key: str, amount: str, operator: str, state: Path, *, as_json: bool) -> int:
    """Add the tip AMOUNT to the sale KEY before it is settled. 小费"""
    request = {"do": "tip", "key": key, "amount": amount, **by(operator)}
    return _perform(state, request, as_json=as_json)


@click.command()
@click.argument("key")
@click.argument("amount")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def adjust(
    key: str, amount: str, operator: str, approver: str, state: Path, *, as_json: bool
) -> int:
    """Let the offline sale KEY come to AMOUNT before it is settled. 离线调整"""
    request = {"do": "adjust", "key": key, "amount": amount, **by(operator)}
    return approved(state, request, approver, as_json=as_json)


@click.command()
@click.argument("amount", default="")
@state_option
@json_option
def instalments(amount: str, state: Path, *, as_json: bool) -> int:
    """List the acquirer's instalment plans, and what they make of AMOUNT. 分期计划"""
    request = {"do": "instalments"} | ({"amount": amount} if amount else {})
    return _perform(state, request, as_json=as_json)


@click.command()
@click.argument("key")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def void(key: str, operator: str, approver: str, state: Path, *, as_json: bool) -> int:
    """Take the whole sale KEY (TERMINAL-BATCH-STAN) back on the same day. 消费撤销"""
    request = {"do": "void", "key": key, **by(operator)}
    return approved(state, request, approver, as_json=as_json)


@click.command()
@click.argument("key")
@click.argument("amount")
@operator_option
@approval_option
@intent_option
@state_option
@json_option
def refund(
    key: str, amount: str, operator: str, approver: str, state: Path, *, as_json: bool
) -> int:
    """Give AMOUNT of the sale KEY back. 退货"""
    request = {"do": "refund", "key": key, "amount": amount, **by(operator)}
    return approved(state, request, approver, as_json=as_json)


@click.command()
@click.argument("key")
@state_option
@json_option
def reprint(key: str, state: Path, *, as_json: bool) -> int:
    """Print the receipt of KEY again, marked as a duplicate. 重打印"""
    return _perform(state, {"do": "reprint", "key": key}, as_json=as_json)


@click.command()
@click.argument("decision", type=click.Choice(["reprint", "void"]))
@state_option
@json_option
def prints(decision: str, state: Path, *, as_json: bool) -> int:
    """Decide about receipts whose printing was cut: print again (marked) or drop. 未知打印"""
    return _perform(state, {"do": "unknown_prints", "decision": decision}, as_json=as_json)
