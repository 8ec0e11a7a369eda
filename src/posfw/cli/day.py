"""`posfw day`: a scripted, seeded business day against the simulated acquirer."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import anyio
import click

from posfw.sim.day import Report
from posfw.sim.play import play

__all__ = ["day"]


@click.command()
@click.option("--board", default="host", show_default=True, type=click.Choice(["host"]))
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same day.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Report folder.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def day(board: str, seed: int, out: Path | None, *, as_json: bool) -> int:
    """Play a business day: activation, operators, sales, a dead line, power cuts, settlement.

    Exits 0 only if journal, bank and printed slips agree. 模拟营业日
    """
    del board
    began = time.monotonic()
    state = Path(tempfile.mkdtemp(prefix="posfw-day-"))
    try:
        slips = out / "receipts" if out is not None else None
        report = anyio.run(partial(play, seed, state, _quiet if as_json else _tell, slips=slips))
    finally:
        shutil.rmtree(state)
    document = report.document() | {"seconds": round(time.monotonic() - began, 1)}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, ensure_ascii=False, indent=2)
        (out / "report.json").write_text(text + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        _show(report, document["seconds"], out)
    return 0 if report.balanced else 1


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _quiet(_: str) -> None:
    return


def _show(report: Report, seconds: object, out: Path | None) -> None:
    click.echo("")
    for name, count in sorted(report.counts.items()):
        click.echo(f"{name:38} {count:4}")
    books = (report.settlement.get("ours", {}), report.bank, report.paper.totals())
    click.echo(f"\n{'':24} {'journal':>10} {'bank':>10} {'slips':>10}")
    for name in ("debit_count", "debit_minor", "credit_count", "credit_minor"):
        click.echo(f"{name:24}" + "".join(f" {book.get(name, '-'):>10}" for book in books))
    printed, again = len(report.paper.receipts), report.paper.reprinted
    click.echo(f"receipts printed {printed}, of these reprinted {again}, unknown {report.unknown}")
    for problem in report.problems:
        click.echo(f"problem: {problem}")
    verdict = "balanced 对账平" if report.balanced else "NOT balanced 对账不平"
    click.echo(f"\n{verdict}, {seconds} s")
    if out is not None:
        click.echo(f"report: {out / 'report.json'}, pictures of the slips: {out / 'receipts'}")
    click.echo("go on by hand: posfw run, and in another window posfw sign-on, posfw sale 12.00,")
    click.echo("               posfw sim card swipe unionpay, posfw sim printer paper-out")
