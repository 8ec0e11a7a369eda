"""`posfw printer`: how it stands, a test print, and a picture of a day of heat."""

from __future__ import annotations

import json
from pathlib import Path

import click

from posfw.cli.asking import json_option, perform
from posfw.cli.places import load_board, state_option
from posfw.values.hardware import PrinterProfile

__all__ = ["printer"]


@click.group()
def printer() -> None:
    """The printer: state, test print, parameters, application, heat over a day. 打印机"""


@printer.command()
@state_option
@json_option
def status(state: Path, *, as_json: bool) -> int:
    """Show what it does, what holds it up and when it goes on. 打印机状态"""
    return perform(state / "control.sock", {"do": "printer"}, as_json=as_json)


@printer.command()
@state_option
@json_option
def test(state: Path, *, as_json: bool) -> int:
    """Print the test pattern: letters, greys, every dot of the head. 测试打印"""
    request = {"do": "print", "kind": "test", "subject": "test"}
    return perform(state / "control.sock", request, as_json=as_json)


@printer.command()
@state_option
@json_option
def parameters(state: Path, *, as_json: bool) -> int:
    """Print the parameters: program, site file, the acquirer's sets by version. 打印参数单"""
    request = {"do": "print", "kind": "report", "subject": "parameters"}
    return perform(state / "control.sock", request, as_json=as_json)


@printer.command()
@state_option
@json_option
def application(state: Path, *, as_json: bool) -> int:
    """Print the application as it was filled in, to be signed. 打印申请表"""
    request = {"do": "print", "kind": "report", "subject": "application"}
    return perform(state / "control.sock", request, as_json=as_json)


@printer.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The picture (PNG).  图片文件",
)
@click.option("--board", "board_id", default="", help="Whose head; default: a common one.  机型")
@click.option("--ambient", default=25.0, show_default=True, help="Degrees C in the morning.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same day.")
@click.option("--no-sensor", is_flag=True, help="A head without a thermometer.  无温度传感器")
@json_option
def plot(
    out: Path, board_id: str, ambient: float, seed: int, *, no_sensor: bool, as_json: bool
) -> int:
    """Draw temperature, duty, zones and pauses of a simulated day. 打印头温度图"""
    from posfw.sim.plot import draw, simulated_day  # noqa: PLC0415 - no simulator on a device

    profile = load_board(board_id).printer if board_id else PrinterProfile()
    day = simulated_day(profile, ambient_c=ambient, seed=seed, sensor=not no_sensor)
    draw(day).save(out)
    facts = {
        "slips": day.trace.jobs,
        "rows": day.trace.rows,
        "peak_c": round(day.peak_c, 2),
        "stops": day.stops,
        "paused_s": round(day.paused_s),
        "picture": str(out),
    }
    if as_json:
        head = {"schema": "posfw.printer_plot", "schema_version": 1}
        click.echo(json.dumps(head | facts))
    else:
        for name, value in facts.items():
            click.echo(f"{name:10} {value}")
    return 0
