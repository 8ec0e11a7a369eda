"""The command `posfw`: groups are loaded when called, errors become exit codes and plain words."""

from __future__ import annotations

import gc
import importlib
import json
import sys
from typing import Any, Final

import click

from posfw import __version__
from posfw.values.errors import PosfwError

__all__ = ["main", "posfw"]

# Command -> (module, attribute, help). Help stands here so that `posfw --help` imports nothing.
COMMANDS: Final = {
    "day": ("posfw.cli.day", "day", "A whole business day against the simulators. 模拟营业日"),
    "guide": ("posfw.cli.guide", "guide", "Activate a simulated terminal step by step. 新手引导"),
    "run": ("posfw.cli.run", "run", "Run the terminal. 运行终端"),
    "sim": ("posfw.cli.sim", "sim", "Drive the simulated reader, printer, line and bank. 模拟器"),
    "status": ("posfw.cli.cashier", "status", "How the running terminal stands. 状态"),
    "ready": (
        "posfw.cli.cashier",
        "ready",
        "Before the first sale: all that a day needs. 开机查询",
    ),
    "parameters": ("posfw.cli.cashier", "parameters", "Load the acquirer's parameters. 下载参数"),
    "sign-on": ("posfw.cli.cashier", "sign_on", "Sign on at the acquirer. 签到"),
    "sale": ("posfw.cli.cashier", "sale", "Take a payment. 消费"),
    "void": ("posfw.cli.cashier", "void", "Take a whole sale back the same day. 消费撤销"),
    "refund": ("posfw.cli.cashier", "refund", "Give money back, partly or wholly. 退货"),
    "tip": ("posfw.cli.cashier", "tip", "Add a tip to a sale before the settlement. 小费"),
    "adjust": ("posfw.cli.cashier", "adjust", "Change what an offline sale comes to. 离线调整"),
    "instalments": ("posfw.cli.cashier", "instalments", "The acquirer's instalments. 分期计划"),
    "qr": ("posfw.cli.qr", "qr", "Take a payment from a telephone. 扫码支付"),
    "menu": ("posfw.cli.menu", "menu", "The numbers that cashiers know. 菜单"),
    "preauth": ("posfw.cli.preauth", "preauth", "Hold an amount now, take it later. 预授权"),
    "balance": ("posfw.cli.preauth", "balance", "What a card's account holds. 余额查询"),
    "owed": ("posfw.cli.owed", "owed", "What the acquirer has not heard of or refused. 待发"),
    "settle": ("posfw.cli.settle", "settle", "Settle, report, compare, export. 结算"),
    "receipt": ("posfw.cli.receipt", "receipt", "Look at slips, print reports. 签购单"),
    "printer": ("posfw.cli.printer", "printer", "State, test print, a day of heat. 打印机"),
    "reprint": ("posfw.cli.cashier", "reprint", "Print a past receipt again. 重打印"),
    "prints": ("posfw.cli.cashier", "prints", "Decide about receipts whose printing was cut."),
    "activate": ("posfw.cli.activate", "activate", "From a blank terminal to live sales. 激活"),
    "goods": ("posfw.cli.goods", "goods", "Catalogue, stock, baskets. 商品"),
    "delivery": ("posfw.cli.goods", "delivery", "Deliveries tied to sales. 配送"),
    "upkeep": ("posfw.cli.upkeep", "upkeep", "Maintenance, faults, stability. 维护"),
    "operator": ("posfw.cli.operator", "operator", "Who works here: passwords, lock. 操作员"),
    "keys": ("posfw.cli.keys", "keys", "The terminal's keys: state, load, wipe. 密钥"),
    "certificate": (
        "posfw.cli.certificate",
        "certificate",
        "The terminal's certificate: show, renew. 证书",
    ),
    "selftest": ("posfw.cli.selftest", "selftest", "Test the board's parts. 自检"),
    "update": ("posfw.cli.update", "update", "Signed bundles, two slots, a way back. 更新"),
    "board": ("posfw.cli.board", "board", "Board profiles: list, show, check. 机型"),
    "journal": ("posfw.cli.journal", "journal", "Read, verify, copy, export the journal. 流水"),
    "doctor": ("posfw.cli.doctor", "doctor", "What is missing here and how to mend it. 检查"),
}


class Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a working day."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        gc.disable()  # thousands of classes and not one cycle to free: a twentieth of a start
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        finally:
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="posfw")
def posfw() -> None:
    """The open application of a card payment terminal. 开放的银行卡收款终端程序。

    A newcomer starts with `posfw day` and `posfw guide`. Exit codes: 0 ok, 1 failed, 2 usage,
    3 not found, 4 refused by state, 5 device or host unreachable, 6 journal does not verify,
    7 already running, 78 configuration.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; errors of the product are told in words."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result: Any = posfw.main(arguments, prog_name="posfw", standalone_mode=False)
    except PosfwError as error:
        _tell(error, as_json="--json" in arguments)
        return type(error).exit_code
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    return result if isinstance(result, int) else 0


def _tell(error: PosfwError, *, as_json: bool) -> None:
    from posfw.app.catalogue import load_texts  # noqa: PLC0415 - only where something went wrong

    if as_json:
        body = {
            "schema": "posfw.error",
            "schema_version": 1,
            "code": error.stable_code,
            "cause": error.cause,
            "effect": error.effect_text,
            "next_step": error.next_step_text,
        }
        click.echo(json.dumps(body, ensure_ascii=False))
    chinese = load_texts("zh-Hans")(error.stable_code)
    for line in (chinese, error.cause, error.effect_text, error.next_step_text):
        click.echo(line, err=True)
    click.echo(f"({error.stable_code})", err=True)
