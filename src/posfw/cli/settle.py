"""`posfw settle`: the evening: settlement, reports, tick list, fees, exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.operator import with_approval
from posfw.cli.places import state_option

__all__ = ["settle"]


def _ask(state: Path, verb: str, fields: dict[str, Any], *, as_json: bool) -> int:
    return perform(state / "control.sock", {"do": verb, **fields}, as_json=as_json)


_operator = click.option("--operator", default="01", show_default=True, help="Who. 操作员")
_batch = click.option("--batch", type=int, default=None, help="Batch; default: open. 批次")


def _of_batch(batch: int | None) -> dict[str, Any]:
    return {} if batch is None else {"batch": batch}


@click.group(invoke_without_command=True)
@click.pass_context
@state_option
@json_option
def settle(context: click.Context, state: Path, *, as_json: bool) -> int:
    """Settle the open batch and compare it record by record. 结算

    Without a command it settles. A batch that was interrupted goes on where it was.
    """
    if context.invoked_subcommand is not None:
        return 0
    return _ask(state, "settle", {}, as_json=as_json)


@settle.command()
@_batch
@state_option
@json_option
def report(batch: int | None, state: Path, *, as_json: bool) -> int:
    """X report of the open batch, Z report of a closed one. X/Z 报表"""
    return _ask(state, "report", _of_batch(batch), as_json=as_json)


@settle.command("list")
@state_option
@json_option
def list_(state: Path, *, as_json: bool) -> int:
    """Show closed batches, newest first. 历史结算"""
    return _ask(state, "settlements", {}, as_json=as_json)


@settle.command()
@state_option
@json_option
def plan(state: Path, *, as_json: bool) -> int:
    """When the next settlement runs and what presses for it. 结算计划"""
    return _ask(state, "settlement_plan", {}, as_json=as_json)


@settle.command()
@click.argument("batch", type=int)
@click.option("--all", "every", is_flag=True, help="Lines that agree too. 全部")
@state_option
@json_option
def reconcile(batch: int, state: Path, *, every: bool, as_json: bool) -> int:
    """Journal, bank, slips and deliveries of BATCH; exit code 1 while lines are open. 对账"""
    return _ask(state, "reconcile", {"batch": batch, "all": every}, as_json=as_json)


@settle.command()
@click.argument("batch", type=int)
@click.argument("voucher", type=int)
@click.argument("verdict", type=click.Choice(["accept", "hold", "clear"]))
@click.option("--reason", default="", help="Needed for hold and clear. 原因")
@click.option("--approve", "approver", default="00", show_default=True, help="For clear. 授权人")
@_operator
@state_option
@json_option
def tick(
    batch: int,
    voucher: int,
    verdict: str,
    reason: str,
    approver: str,
    operator: str,
    state: Path,
    *,
    as_json: bool,
) -> int:
    """Accept VOUCHER of BATCH, hold it with a reason, or clear it by hand. 勾选/挂起/手工清账"""
    fields: dict[str, Any] = {
        "batch": batch,
        "stan": voucher,
        "verdict": verdict,
        "reason": reason,
        "operator": operator,
    }
    if verdict == "clear":
        fields |= with_approval(approver)
    return _ask(state, "tick", fields, as_json=as_json)


@settle.command()
@_batch
@state_option
@json_option
def fees(batch: int | None, state: Path, *, as_json: bool) -> int:
    """Fee and net by transaction, beside the bank's figure. 手续费"""
    return _ask(state, "fees", _of_batch(batch), as_json=as_json)


@settle.command()
@state_option
@json_option
def turnover(state: Path, *, as_json: bool) -> int:
    """Turnover so far, and what is missing until a prepayment comes back. 累计营业额"""
    return _ask(state, "turnover", {}, as_json=as_json)


@settle.command()
@click.argument("what")
@click.argument("minor", type=int)
@click.option("--batch", type=int, default=0, help="For bank_fee: whose. 批次")
@click.option("--note", default="", help="Anything else. 备注")
@state_option
@json_option
def entry(what: str, minor: int, batch: int, note: str, state: Path, *, as_json: bool) -> int:
    """Note MINOR units of deposit, deposit_back, service, prepaid, prepaid_back, bank_fee. 记账"""
    fields = {"what": what, "minor": minor, "batch": batch, "note": note}
    return _ask(state, "fee_entry", fields, as_json=as_json)


@settle.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "first", default="", help="First day, 2026-03-02. 起")
@click.option("--to", "last", default="", help="Last day. 止")
@_batch
@click.option("--by", default="", help="One operator. 操作员")
@click.option("--kind", default="", help="One kind, such as sale. 类型")
@click.option("--approved-only", is_flag=True, help="Only what counts. 仅成功")
@state_option
@json_option
def export(
    file: Path,
    first: str,
    last: str,
    batch: int | None,
    by: str,
    kind: str,
    state: Path,
    *,
    approved_only: bool,
    as_json: bool,
) -> int:
    """Write transactions to FILE: .csv, .xlsx or .jsonl by its ending. 导出明细"""
    fields: dict[str, Any] = {
        "path": str(file.resolve()),
        "format": file.suffix.removeprefix("."),
        "from": first,
        "to": last,
        "by": by,
        "kind": kind,
        "approved_only": approved_only,
        **_of_batch(batch),
    }
    return _ask(state, "export", fields, as_json=as_json)


@settle.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--day", default="", help="2026-03-02; default today. 日期")
@state_option
@json_option
def picture(file: Path, day: str, state: Path, *, as_json: bool) -> int:
    """Write the picture of a day to FILE (PNG). 日报图"""
    fields = {"path": str(file.resolve()), "day": day}
    return _ask(state, "day_picture", fields, as_json=as_json)
