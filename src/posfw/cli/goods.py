"""`posfw goods` and `posfw delivery`: catalogue, stock, baskets, deliveries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.places import state_option

__all__ = ["delivery", "goods"]


def _ask(state: Path, verb: str, fields: dict[str, Any], *, as_json: bool) -> int:
    return perform(state / "control.sock", {"do": verb, **fields}, as_json=as_json)


def _lines(codes: tuple[str, ...]) -> list[list[str | int]]:
    """Read CODE or CODEx3 each."""
    lines: list[list[str | int]] = []
    for code in codes:
        gtin, _, count = code.partition("x")
        if count and not count.isdigit():
            raise click.BadParameter(f"{code!r} is not CODE or CODExCOUNT.")
        lines.append([gtin, int(count or 1)])
    return lines


@click.group()
def goods() -> None:
    """Goods: import, list, find, count, basket, reserve, slip. 商品"""


@goods.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the file only. 仅检查")
@state_option
@json_option
def import_(file: Path, state: Path, *, dry_run: bool, as_json: bool) -> int:
    """Import FILE (CSV or TOML): gtin, name, price, description, quantity. 导入

    All mistakes are told at once with their lines; with any mistake nothing is imported.
    """
    fields = {"path": str(file.resolve()), "dry_run": dry_run}
    return _ask(state, "goods_import", fields, as_json=as_json)


@goods.command("list")
@state_option
@json_option
def list_(state: Path, *, as_json: bool) -> int:
    """Show articles, prices and stock. 查询"""
    return _ask(state, "goods_list", {}, as_json=as_json)


@goods.command()
@click.argument("code")
@state_option
@json_option
def find(code: str, state: Path, *, as_json: bool) -> int:
    """Show the article of a scanned CODE. 扫码查询"""
    return _ask(state, "goods_find", {"code": code}, as_json=as_json)


@goods.command()
@click.argument("code")
@click.argument("quantity", type=click.IntRange(min=0))
@state_option
@json_option
def count(code: str, quantity: int, state: Path, *, as_json: bool) -> int:
    """Set the stock of CODE to what was counted. 盘点"""
    return _ask(state, "goods_count", {"code": code, "quantity": quantity}, as_json=as_json)


@goods.command()
@click.argument("codes", nargs=-1)
@click.option("--stock", is_flag=True, help="Refuse what is not in stock. 库存不足则拒绝")
@click.option("--scan", is_flag=True, help="Fill it at the scanner. 扫码")
@click.option("--count", type=click.IntRange(1, 1000), help="End after so many scans. 件数")
@click.option("--quiet", "quiet_s", type=float, help="End after so many seconds without. 静默秒数")
@click.option("--done", is_flag=True, help="End the basket that is being scanned. 完成")
@state_option
@json_option
def basket(codes: tuple[str, ...], state: Path, *, as_json: bool, **options: Any) -> int:
    """Add up CODES (a code, or CODEx3), or what is scanned: the amount of the sale. 购物篮"""
    if options.pop("done"):
        return _ask(state, "goods_scan_done", {}, as_json=as_json)
    scan, stock = options.pop("scan"), options.pop("stock")
    if scan == bool(codes):
        raise click.UsageError("Name CODES, or --scan.")
    fields = {"must_be_in_stock": stock}
    if scan:
        ends = {name: value for name, value in options.items() if value is not None}
        return _ask(state, "goods_scan", fields | ends, as_json=as_json)
    return _ask(state, "goods_basket", {"lines": _lines(codes), **fields}, as_json=as_json)


@goods.command()
@click.argument("name")
@click.argument("codes", nargs=-1, required=True)
@state_option
@json_option
def reserve(name: str, codes: tuple[str, ...], state: Path, *, as_json: bool) -> int:
    """Set CODES aside as NAME, such as a delivery (DLV-…); the stock must cover it. 备货预留"""
    return _ask(state, "goods_reserve", {"name": name, "lines": _lines(codes)}, as_json=as_json)


@goods.command()
@click.argument("name")
@state_option
@json_option
def release(name: str, state: Path, *, as_json: bool) -> int:
    """Give back what is set aside as NAME; a cancelled delivery does so by itself. 取消预留"""
    return _ask(state, "goods_release", {"name": name}, as_json=as_json)


@goods.command()
@click.argument("key")
@click.argument("codes", nargs=-1, required=True)
@click.option("--returned", is_flag=True, help="The goods came back. 退回入库")
@click.option("--reserved", default="", help="Name of their reservation, which ends. 预留名")
@state_option
@json_option
def sold(
    key: str,
    codes: tuple[str, ...],
    reserved: str,
    state: Path,
    *,
    returned: bool,
    as_json: bool,
) -> int:
    """Book CODES out of stock for the approved sale KEY. 出库"""
    fields: dict[str, Any] = {"key": key, "lines": _lines(codes), "returned": returned}
    if reserved:
        fields["reserved"] = reserved
    return _ask(state, "goods_sold", fields, as_json=as_json)


@goods.command()
@click.argument("key")
@state_option
@json_option
def slip(key: str, state: Path, *, as_json: bool) -> int:
    """Print the goods of the sale KEY with descriptions and prices. 打印商品清单"""
    request = {"do": "print", "kind": "report", "subject": f"goods {key}"}
    return perform(state / "control.sock", request, as_json=as_json)


@click.group()
def delivery() -> None:
    """Deliveries: new, move, notice, list, check. 配送"""


@delivery.command()
@click.argument("name")
@click.argument("key")
@click.option("--region", required=True, help="Province and city. 省市")
@click.option("--due", required=True, help="Promised time: 2026-03-02T18:00. 时限")
@click.option("--courier", default="", help="Who carries it. 承运人")
@click.option("--far", is_flag=True, help="Another province or city. 跨省市")
@click.option("--urgent", is_flag=True, help="To be packed first. 加急")
@state_option
@json_option
def new(
    name: str,
    key: str,
    region: str,
    due: str,
    courier: str,
    state: Path,
    *,
    far: bool,
    urgent: bool,
    as_json: bool,
) -> int:
    """Make the delivery NAME (DLV-…) for the sale KEY. 新建"""
    fields = {"delivery": name, "key": key, "region": region, "due": due, "courier": courier}
    return _ask(state, "delivery_new", fields | {"far": far, "urgent": urgent}, as_json=as_json)


@delivery.command()
@click.argument("name")
@click.argument(
    "status", type=click.Choice(["prepared", "sent", "delivered", "returned", "cancelled"])
)
@state_option
@json_option
def move(name: str, status: str, state: Path, *, as_json: bool) -> int:
    """Note how far the delivery NAME is. 更新状态"""
    return _ask(state, "delivery_move", {"delivery": name, "status": status}, as_json=as_json)


@delivery.command()
@click.argument("name")
@click.option("--acknowledged", is_flag=True, help="They have answered. 已确认")
@state_option
@json_option
def notice(name: str, state: Path, *, acknowledged: bool, as_json: bool) -> int:
    """Show the notice for packers and courier, and note that they were told. 通知"""
    fields = {"delivery": name, "acknowledged": acknowledged}
    return _ask(state, "delivery_notice", fields, as_json=as_json)


@delivery.command("list")
@click.option("--late", is_flag=True, help="Only what is late. 仅逾期")
@state_option
@json_option
def list_deliveries(state: Path, *, late: bool, as_json: bool) -> int:
    """Show deliveries. 查询"""
    return _ask(state, "delivery_list", {"late": late}, as_json=as_json)


@delivery.command()
@state_option
@json_option
def check(state: Path, *, as_json: bool) -> int:
    """Compare deliveries with sales, refunds and returns. 对账"""
    return _ask(state, "delivery_check", {}, as_json=as_json)
