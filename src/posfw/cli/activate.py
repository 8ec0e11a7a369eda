"""`posfw activate`: from a blank terminal to live sales, one command a step."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import ask, json_option, perform
from posfw.cli.operator import with_approval
from posfw.cli.places import state_option
from posfw.values.errors import InputError, RefusedError

__all__ = ["activate"]

_by_99 = click.option(
    "--approve", "approver", default="99", show_default=True, help="Who approves. 授权人"
)


@click.group()
def activate() -> None:
    """Activation: papers, activation file, bank's answer, tests, live. 激活

    The order: profile, check, paper (each), apply, issued, export, submitted, import, confirm,
    provision, test, live. `posfw activate status` says what comes next.
    """


def _ask(state: Path, verb: str, fields: dict[str, Any], *, as_json: bool) -> int:
    request = {"do": f"activate_{verb}", **fields}
    return perform(state / "control.sock", request, as_json=as_json)


@activate.command()
@state_option
@json_option
def status(state: Path, *, as_json: bool) -> int:
    """Where the activation stands, what is possible and what is missing. 状态"""
    return _ask(state, "status", {}, as_json=as_json)


@activate.command()
@click.argument("name")
@state_option
@json_option
def profile(name: str, state: Path, *, as_json: bool) -> int:
    """Choose the acquirer: unionpay, fuiou, allinpay, lakala. 选择收单机构"""
    return _ask(state, "profile", {"profile": name}, as_json=as_json)


@activate.command()
@state_option
@json_option
def check(state: Path, *, as_json: bool) -> int:
    """Check hardware and stability. 硬件与稳定性检查"""
    return _ask(state, "check", {}, as_json=as_json)


@activate.command()
@click.argument("paper_id")
@click.argument("reference")
@state_option
@json_option
def paper(paper_id: str, reference: str, state: Path, *, as_json: bool) -> int:
    """Note the REFERENCE of a paper on the checklist. 登记资料"""
    return _ask(state, "paper", {"paper": paper_id, "reference": reference}, as_json=as_json)


@activate.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@state_option
@json_option
def apply(file: Path, state: Path, *, as_json: bool) -> int:
    """Record the application: a TOML file of texts (merchant_name, account_name, …). 申请"""
    try:
        application = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}.", code="ACT-224") from error
    return _ask(state, "apply", {"application": application}, as_json=as_json)


@activate.command()
@click.argument("terminal")
@click.argument("merchant")
@click.argument("card")
@_by_99
@state_option
@json_option
def issued(
    terminal: str, merchant: str, card: str, approver: str, state: Path, *, as_json: bool
) -> int:
    """Enter what the bank issued: TERMINAL number, MERCHANT number, CARD code. 录入激活信息"""
    fields = {"terminal": terminal, "merchant": merchant, "card": card}
    return _ask(state, "issued", fields | with_approval(approver), as_json=as_json)


@activate.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--qr", is_flag=True, help="Show the file as QR codes too. 二维码")
@state_option
@json_option
def export(file: Path, state: Path, *, qr: bool, as_json: bool) -> int:
    """Write the signed activation file to FILE (a USB stick, say). 导出激活文件"""
    body = ask(state / "control.sock", {"do": "activate_export"}, quiet=as_json)
    if "error" in body:
        error = body["error"]
        raise RefusedError(
            error["cause"],
            code=error["code"],
            effect=error["effect"],
            next_step=error["next_step"],
        )
    data = bytes.fromhex(body["result"].pop("file"))
    file.write_bytes(data)
    if qr:
        _show_qr(data)
    body["result"]["path"] = str(file)
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False))
    else:
        click.echo(f"{file}: {len(data)} bytes, SHA-256 {body['result']['digest']}")
    return 0


@activate.command()
@state_option
@json_option
def submitted(state: Path, *, as_json: bool) -> int:
    """Note that the file was handed to the bank. 已提交审核"""
    return _ask(state, "submitted", {}, as_json=as_json)


@activate.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@state_option
@json_option
def import_(file: Path, state: Path, *, as_json: bool) -> int:
    """Take the bank's answer from FILE and compare it. 导入银行回执"""
    data = file.read_bytes()
    if len(data) > 16_384:
        raise InputError(f"{file} is too large for an answer.", code="ACT-225")
    # A control line holds 16 KiB; an answer in hexadecimal is far below.
    return _ask(state, "import", {"file": data.hex()}, as_json=as_json)


@activate.command("type")
@click.argument("groups", nargs=-1, required=True)
@state_option
@json_option
def type_(groups: tuple[str, ...], state: Path, *, as_json: bool) -> int:
    """Take the bank's answer as GROUPS of five from a letter or message. 手工输入银行回执"""
    return _ask(state, "typed", {"groups": " ".join(groups)}, as_json=as_json)


@activate.command()
@click.argument("code")
@state_option
@json_option
def online(code: str, state: Path, *, as_json: bool) -> int:
    """Activate over the line by CODE instead of files. 在线激活"""
    return _ask(state, "online", {"code": code}, as_json=as_json)


@activate.command()
@_by_99
@state_option
@json_option
def confirm(approver: str, state: Path, *, as_json: bool) -> int:
    """Confirm terminal number, date and yesterday's amount by eye. 核实"""
    return _ask(state, "confirm", with_approval(approver), as_json=as_json)


@activate.command()
@state_option
@json_option
def provision(state: Path, *, as_json: bool) -> int:
    """Load keys and parameters from the acquirer. 下载密钥和参数"""
    return _ask(state, "provision", {}, as_json=as_json)


@activate.command()
@click.option("--rounds", type=int, default=0, help="More rounds than the profile asks for.")
@state_option
@json_option
def test(rounds: int, state: Path, *, as_json: bool) -> int:
    """Run the acceptance rounds; after a cut it goes on where it was. 验收测试"""
    return _ask(state, "test", {"rounds": rounds}, as_json=as_json)


@activate.command()
@_by_99
@state_option
@json_option
def live(approver: str, state: Path, *, as_json: bool) -> int:
    """Go live: sales are taken from now on. 启用"""
    return _ask(state, "live", with_approval(approver), as_json=as_json)


@activate.command()
@click.argument("what", type=click.Choice(["suspend", "resume", "replace", "reopen"]))
@click.argument("reason")
@_by_99
@state_option
@json_option
def move(what: str, reason: str, approver: str, state: Path, *, as_json: bool) -> int:
    """Suspend, resume, replace, or reopen (re-activate after repair). 停用/恢复/更换/复机"""
    fields = {"move": what, "reason": reason}
    return _ask(state, "move", fields | with_approval(approver), as_json=as_json)


def _show_qr(data: bytes) -> None:
    import segno  # noqa: PLC0415 - only where asked for

    # Version 40-L holds 2,953 bytes; parts of 1,000 still read from a screen.
    for part in segno.make_sequence(data, version=20, error="l", boost_error=False):
        part.terminal(compact=True)
