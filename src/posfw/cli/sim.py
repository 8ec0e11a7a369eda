"""`posfw sim`: the rig in the foreground, and commands that drive a running one."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from posfw.app.control import serve
from posfw.app.verbs import dispatcher
from posfw.cli.asking import ask, json_option, perform, tell_error
from posfw.cli.places import state_option
from posfw.sim.cards import NAMES
from posfw.sim.chip.hand import WAYS, ChipHand, prepare
from posfw.sim.desk import LINE, PRINTER, RigDesk
from posfw.sim.reader import Way
from posfw.sim.rig import rig
from posfw.sim.vivotech import Presented

__all__ = ["sim"]

_WAYS = [way.value for way in Way]
_INSERTS = list(WAYS)
_TAPS = [way.value for way in Presented if way is not Presented.SWIPE]
_TAPS = [way for way in _TAPS if way not in _INSERTS]


@click.group()
def sim() -> None:
    """Stand in for what surrounds a terminal. 模拟器"""


@sim.command("rig")
@click.option(
    "--pty", is_flag=True, help="Show the ptys of reader and printer for other programs."
)
@click.option("--blank", is_flag=True, help="The terminal is to be activated first. 未激活")
@click.option(
    "--chip", is_flag=True, help="Test cards with chips, for pcscd's virtual reader. 芯片卡"
)
@state_option
def run_rig(state: Path, *, pty: bool, blank: bool, chip: bool) -> int:
    """Run reader, printer and acquirer until Ctrl-C; `posfw run` finds them. 模拟环境"""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    anyio.run(partial(_serve, state, pty=pty, blank=blank, chip=chip))
    return 0


async def _serve(state: Path, *, pty: bool, blank: bool, chip: bool) -> None:
    async with rig(state, blank=blank) as around, anyio.create_task_group() as group:
        hand = ChipHand() if chip else None
        if chip:
            around.acquirer.parameters["emv"] = await anyio.to_thread.run_sync(prepare, state)
        handler = dispatcher(RigDesk(around, hand=hand).verbs())
        await group.start(serve, state / "rig" / "control.sock", handler, group)
        ready: dict[str, Any] = {"ready": True, "site": str(around.site)}
        if pty:
            ready["ports"] = around.ports
        click.echo(json.dumps(ready))
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
        group.cancel_scope.cancel()


def _drive(state: Path, request: Mapping[str, Any], *, as_json: bool) -> int:
    socket = state / "rig" / "control.sock"
    return perform(socket, request, as_json=as_json, start="posfw sim rig")


@sim.group()
def card() -> None:
    """Test cards. 测试卡"""


@card.command("list")
@state_option
@json_option
def list_cards(state: Path, *, as_json: bool) -> int:
    """List the test cards. 列出测试卡"""
    return _drive(state, {"do": "card_list"}, as_json=as_json)


@card.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--way", type=click.Choice(_WAYS), default="whole", help="How it reaches the wire.")
@state_option
@json_option
def swipe(name: str, way: str, state: Path, *, as_json: bool) -> int:
    """Swipe a test card through the simulated reader. 刷卡"""
    return _drive(state, {"do": "card_swipe", "card": name, "way": way}, as_json=as_json)


def _present(name: str, way: str, state: Path, *, as_json: bool) -> int:
    return _drive(state, {"do": "card_present", "card": name, "way": way}, as_json=as_json)


@card.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--way", type=click.Choice(_TAPS), default="tap", help="What becomes of it.")
@state_option
@json_option
def tap(name: str, way: str, state: Path, *, as_json: bool) -> int:
    """Tap a test card at the reader that waits for one. 挥卡"""
    return _present(name, way, state, as_json=as_json)


@card.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--way", type=click.Choice(_INSERTS), default="insert", help="What becomes of it.")
@state_option
@json_option
def insert(name: str, way: str, state: Path, *, as_json: bool) -> int:
    """Insert a test card into the reader that waits for one. 插卡"""
    return _present(name, way, state, as_json=as_json)


@card.command()
@state_option
@json_option
def remove(state: Path, *, as_json: bool) -> int:
    """Take out the card that was left in. 移卡"""
    return _drive(state, {"do": "card_remove"}, as_json=as_json)


@card.command()
@click.argument("name", type=click.Choice(NAMES))
@click.argument("amount")
@state_option
@json_option
def key(name: str, amount: str, state: Path, *, as_json: bool) -> int:
    """Key a test card's number by hand for a sale of AMOUNT on the running terminal. 手输卡号"""
    found = ask(state / "rig" / "control.sock", {"do": "card_list"}, start="posfw sim rig")
    numbers = {entry["name"]: entry for entry in found["result"]["cards"]}
    keyed = {"pan": numbers[name]["number"], "expiry": numbers[name]["expiry"]}
    request = {"do": "sale", "amount": amount, "keyed": keyed}
    return perform(state / "control.sock", request, as_json=as_json)


@sim.command()
@click.argument("code")
@state_option
@json_option
def scan(code: str, state: Path, *, as_json: bool) -> int:
    """Scan CODE: goods by their number, anything else as a QR code. 扫码"""
    return _drive(state, {"do": "scan", "code": code}, as_json=as_json)


@sim.group()
def pinpad() -> None:
    """The customer at the PIN pad. 密码键盘"""


@pinpad.command("type")
@click.argument("pin")
@state_option
@json_option
def type_(pin: str, state: Path, *, as_json: bool) -> int:
    """Type a PIN as soon as the pad asks; the test cards have 123456. 输入密码"""
    return _drive(state, {"do": "pinpad", "pin": pin}, as_json=as_json)


@pinpad.command()
@state_option
@json_option
def cancel(state: Path, *, as_json: bool) -> int:
    """Press cancel as soon as the pad asks. 取消"""
    return _drive(state, {"do": "pinpad"}, as_json=as_json)


@sim.command()
@click.argument("what", type=click.Choice(LINE))
@click.option("--count", default=1, show_default=True, help="How many answers a fault takes.")
@state_option
@json_option
def line(what: str, count: int, state: Path, *, as_json: bool) -> int:
    """Break or mend the line to the acquirer. 线路"""
    return _drive(state, {"do": "line", "what": what, "count": count}, as_json=as_json)


@sim.command()
@click.argument("what", type=click.Choice(PRINTER))
@state_option
@json_option
def printer(what: str, state: Path, *, as_json: bool) -> int:
    """Let paper end, open the cover, heat the head, switch off; ok mends everything. 打印机"""
    return _drive(state, {"do": "printer", "what": what}, as_json=as_json)


@sim.group()
def bank() -> None:
    """The simulated bank. 模拟银行"""


@bank.command()
@state_option
@json_option
def show(state: Path, *, as_json: bool) -> int:
    """Show the bank's books, card numbers masked. 账目"""
    return _drive(state, {"do": "bank"}, as_json=as_json)


@bank.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("answer", type=click.Path(dir_okay=False, path_type=Path))
@state_option
def certify(file: Path, answer: Path, state: Path) -> int:
    """Certify the activation FILE of a terminal and write the bank's ANSWER. 认证激活文件"""
    request = {"do": "certify", "file": file.read_bytes().hex()}
    body = ask(state / "rig" / "control.sock", request, start="posfw sim rig")
    if "error" in body:
        return tell_error(body["error"])
    answer.write_bytes(bytes.fromhex(body["result"]["file"]))
    click.echo(str(answer))
    return 0
