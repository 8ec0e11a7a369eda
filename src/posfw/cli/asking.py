"""One request over a control socket, told to a person or as one JSON document."""

from __future__ import annotations

import json
import signal
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import click

from posfw.values.errors import DeviceError

__all__ = ["ask", "intent_option", "json_option", "perform", "show", "tell", "tell_error"]

ANSWER_LIMIT_S = 300.0


def json_option(function: Any) -> Any:  # a click decorator: click's own types are as loose
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document.")(function)


# These charge or give back: each carries a number, by which the terminal knows it again.
CHARGES = frozenset(
    (
        "sale",
        "preauth",
        "preauth_add",
        "completion",
        "instalment",
        "void",
        "preauth_void",
        "completion_void",
        "refund",
        "tip",
        "adjust",
        "completion_advice",
        "offline_sale",
        "qr_pay",
        "qr_show",
    )
)
# These wait for a card; Ctrl-C ends the waiting, and the terminal says how it ended.
WAIT_FOR_CARD = frozenset(("sale", "preauth", "balance", "instalment", "offline_sale"))
_INTENT = "posfw.intent"


def intent_option(function: Any) -> Any:  # as above
    """Add `--intent` to a command that charges or gives back."""

    def keep(context: click.Context, _: click.Parameter, value: str) -> None:
        context.meta[_INTENT] = value

    return click.option(
        "--intent",
        default="",
        expose_value=False,
        callback=keep,
        help="Number of a request whose answer was lost: not charged twice. 重问编号",
    )(function)


def _numbered(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a request that charges a number, the caller's or a new one."""
    if request["do"] not in CHARGES or "intent" in request:
        return request
    context = click.get_current_context(silent=True)
    named = context.meta.get(_INTENT, "") if context else ""
    return {**request, "intent": named or uuid.uuid4().hex}


def ask(
    path: Path,
    request: Mapping[str, Any],
    *,
    quiet: bool = True,
    start: str = "posfw run",
    told: Callable[[Mapping[str, Any]], None] = lambda _: None,
    interrupted: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Send one request; progress goes to stderr; return the last body (result or error).

    Args:
        path: of the control socket.
        request: verb and fields.
        quiet: tell no progress.
        start: what to do where nothing answers.
        told: sees each progress.
        interrupted: what Ctrl-C does instead of ending the command: the ending is waited for.

    Raises:
        DeviceError: nothing is running there, or it went away; `start` is what to do then.
    """
    request, sent = _numbered(request), False
    with socket.socket(socket.AF_UNIX) as line, _on_ctrl_c(interrupted):
        line.settimeout(ANSWER_LIMIT_S)
        try:
            line.connect(str(path))
            sent = True
            line.sendall(json.dumps(request).encode() + b"\n")
            with line.makefile("rb") as answers:
                for answer in answers:
                    body: dict[str, Any] = json.loads(answer)
                    if "progress" not in body:
                        return body
                    told(body["progress"])
                    if not quiet:
                        click.echo(body["progress"].get("text", body["progress"]), err=True)
        except OSError as error:
            if sent and "intent" in request:
                raise _lost(request) from error
            raise DeviceError(
                f"Nothing answers at {path}.",
                code="OPR-005",
                effect="Nothing was done.",
                next_step=f"Start it in another window: {start}",
            ) from error
    raise _lost(request)


def _lost(request: Mapping[str, Any]) -> DeviceError:
    """Return the error for an answer that was lost; a charge can be asked about again."""
    cause = "It stopped before it answered."
    if "intent" not in request:
        return DeviceError(cause, code="OPR-006")
    return DeviceError(
        cause,
        code="OPR-006",
        effect="It may have been carried out.",
        next_step=f"Ask the same again, it is not charged twice: --intent {request['intent']}",
    )


@contextmanager
def _on_ctrl_c(interrupted: Callable[[], None] | None) -> Iterator[None]:
    """Let Ctrl-C do something else than end the command; reading goes on behind it (PEP 475)."""
    if interrupted is None:
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _, __: interrupted())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def perform(
    path: Path, request: Mapping[str, Any], *, as_json: bool, start: str = "posfw run"
) -> int:
    """Ask and tell the answer; return the exit code. Ctrl-C ends the waiting for a card.

    Raises:
        DeviceError: nothing is running there, or it went away.
    """
    waits = request["do"] in WAIT_FOR_CARD and "keyed" not in request
    interrupted = partial(_cancel_card, path) if waits else None
    body = ask(path, request, quiet=as_json, start=start, interrupted=interrupted)
    return tell(body, as_json=as_json)


def _cancel_card(path: Path) -> None:
    """Give up the card; a terminal that is gone is told by the request that waits."""
    with suppress(DeviceError):
        body = ask(path, {"do": "card_cancel"})
        if not body.get("result", {}).get("ok"):
            click.echo("Too late to cancel: it goes on to its end. 已不能取消", err=True)


def tell(body: Mapping[str, Any], *, as_json: bool) -> int:
    """Tell the last body of an answer; return the exit code."""
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False))
    elif "error" in body:
        return tell_error(body["error"])
    else:
        show(body["result"])
    if "error" in body:
        return int(body["error"]["exit"])
    return 0 if body["result"].get("ok", True) else 1


def tell_error(error: Mapping[str, Any]) -> int:
    """Say an error in words on stderr and return its exit code."""
    for part in ("text", "cause", "effect", "next_step"):
        click.echo(error[part], err=True)
    click.echo(f"({error['code']})", err=True)
    return int(error["exit"])


def show(result: Mapping[str, Any]) -> None:
    """Print a result: its lines where it has them, else its fields; tables row by row."""
    lines = result.get("lines")
    if lines:
        click.echo("\n".join(lines))
        return
    for name, value in result.items():
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else None
        if rows is None:
            click.echo(f"{name:18} {value}")
            continue
        click.echo(f"{name}:")
        for row in rows:
            click.echo("  " + "  ".join(str(cell) for cell in row.values()))
