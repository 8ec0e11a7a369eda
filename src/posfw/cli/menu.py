"""`posfw menu`: the numbers that cashiers know, as data; a number runs its command.

Groups and their order follow the function list of the UnionPay POS application: sale, void,
refund, authorisations, enquiries, settlement, slips, management. A number never changes its
meaning: new ones are only added.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import click

from posfw.cli.asking import json_option

__all__ = ["MENU", "Row", "menu"]


@dataclass(frozen=True, slots=True)
class Row:
    """One number: its words and the command that it runs; `takes` is what is typed behind it."""

    zh: str
    en: str
    command: str
    takes: str = ""


MENU: Final = {
    "1": Row("消费", "Sale", "sale", "AMOUNT"),
    "2": Row("消费撤销", "Void", "void", "KEY"),
    "3": Row("退货", "Refund", "refund", "KEY AMOUNT"),
    "4": Row("余额查询", "Balance", "balance"),
    "51": Row("预授权", "Pre-authorisation", "preauth start", "AMOUNT"),
    "52": Row("预授权撤销", "Pre-authorisation void", "preauth void", "KEY"),
    "53": Row("预授权完成(请求)", "Completion", "preauth complete", "KEY AMOUNT"),
    "54": Row("预授权完成撤销", "Completion void", "preauth void-complete", "KEY"),
    "55": Row("预授权完成(通知)", "Completion advice", "preauth complete --advice", "KEY AMOUNT"),
    "56": Row("追加预授权", "Additional pre-authorisation", "preauth add", "KEY AMOUNT"),
    "61": Row("离线结算", "Sale by telephone", "sale", "AMOUNT --auth CODE"),
    "62": Row("离线调整", "Adjust an offline sale", "adjust", "KEY AMOUNT"),
    "63": Row("小费", "Tip", "tip", "KEY AMOUNT"),
    "64": Row("分期付款", "Instalment", "sale", "AMOUNT --instalment N"),
    "65": Row("分期计划", "Instalment plans", "instalments", "[AMOUNT]"),
    "71": Row("扫顾客付款码", "Scan the customer's code", "qr pay", "AMOUNT"),
    "72": Row("出示收款码", "Show a code", "qr show", "AMOUNT"),
    "73": Row("扫码撤销", "QR void", "qr void", "KEY"),
    "74": Row("扫码退货", "QR refund", "qr refund", "KEY AMOUNT"),
    "81": Row("结算", "Settlement", "settle"),
    "82": Row("打印汇总", "Totals (X report)", "settle report"),
    "83": Row("重打印", "Print a receipt again", "reprint", "KEY"),
    "84": Row("未知打印", "Receipts that were cut", "prints", "reprint|void"),
    "91": Row("签到", "Sign on", "sign-on"),
    "92": Row("操作员签到", "Operator in", "operator in", "NUMBER"),
    "93": Row("操作员签退", "Operator out", "operator out"),
    "94": Row("锁定", "Lock", "operator lock"),
    "95": Row("参数下载", "Load parameters", "parameters"),
    "96": Row("开机查询", "Ready?", "ready"),
    "97": Row("状态", "Status", "status"),
    "98": Row("自检", "Self-test", "selftest"),
    "99": Row("打印机", "Printer", "printer status"),
}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("number", default="")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED)
@json_option
@click.pass_context
def menu(context: click.Context, number: str, rest: tuple[str, ...], *, as_json: bool) -> int:
    """List the numbers, or run NUMBER with what belongs to it: posfw menu 1 12.50. 菜单"""
    if number:
        row = MENU.get(number)
        if row is None:
            raise click.UsageError(f"The menu has no number {number[:4]!r}: posfw menu")
        return _run(context, [*row.command.split(), *rest, *(["--json"] if as_json else [])])
    if as_json:
        rows = [
            {"number": each, "zh": row.zh, "en": row.en, "command": row.command}
            for each, row in MENU.items()
        ]
        click.echo(json.dumps({"ok": True, "menu": rows}, ensure_ascii=False))
    else:
        for each, row in MENU.items():
            click.echo(f"{each:>3}  {row.zh}  {row.en}: posfw {row.command} {row.takes}".rstrip())
    return 0


def _run(context: click.Context, line: list[str]) -> int:
    root = context.find_root().command
    result = root.main(line, prog_name="posfw", standalone_mode=False)
    return result if isinstance(result, int) else 0
