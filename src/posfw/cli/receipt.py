"""`posfw receipt`: slips on the screen, and again on paper."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click

from posfw.cli.asking import ask, json_option, perform, tell_error
from posfw.cli.places import state_option
from posfw.values.printjob import Copy, DocumentKind

__all__ = ["receipt"]

_KINDS = [kind.value for kind in DocumentKind]


def _slip(function: Any) -> Any:  # a click decorator: click's own types are as loose
    kind = click.option("--kind", type=click.Choice(_KINDS), default="receipt", show_default=True)
    return click.argument("subject")(kind(function))


@click.group()
def receipt() -> None:
    """Look at slips and print them. 签购单"""


@receipt.command()
@_slip
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--copy", type=click.Choice([copy.value for copy in Copy]), default="merchant")
@click.option("--duplicate", is_flag=True, help="With the mark of a reprint. 重打印")
@state_option
def preview(subject: str, kind: str, out: Path, copy: str, state: Path, *, duplicate: bool) -> int:
    """Draw SUBJECT (a transaction's key, a batch, X12 or Z11) as a PNG. 预览

    The picture has exactly the dots that the paper shows.
    """
    request = {
        "do": "preview",
        "kind": kind,
        "subject": subject,
        "copy": copy,
        "duplicate": duplicate,
    }
    body = ask(state / "control.sock", request)
    if "error" in body:
        return tell_error(body["error"])
    result = body["result"]
    out.write_bytes(base64.b64decode(result["png"]))
    click.echo(f"{out}  {result['width_dots']} x {result['height_dots']} dots")
    return 0


@receipt.command("print")
@_slip
@state_option
@json_option
def print_slip(subject: str, kind: str, state: Path, *, as_json: bool) -> int:
    """Queue SUBJECT for printing: --kind settlement 12, --kind report X12, --kind test 1. 打印

    A receipt that was queued before is marked 重打印/DUPLICATE.
    """
    request = {"do": "print", "kind": kind, "subject": subject, "copy": "single"}
    return perform(state / "control.sock", request, as_json=as_json)
