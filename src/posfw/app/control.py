"""The control socket: the cashier's keys for a cash register, the command line and tests.

A unix socket with one JSON object a line. Request `{"do": verb, ...}`; answers are any number of
`{"progress": {...}}` and then one `{"result": {...}}` or `{"error": {...}}`. The file is readable
by the terminal's user only. A client that goes away never ends a transaction: it runs on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from anyio.abc import ByteStream, Listener, TaskGroup, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from posfw.app.verbs import Handler, Progress
from posfw.values.errors import CodecError, PosfwError
from posfw.values.texts import ENGLISH, Texts

__all__ = ["Listen", "error_body", "serve", "unix_listener"]

Listen: TypeAlias = Callable[[Path], Awaitable[Listener[Any]]]

MAX_LINE_BYTES = 16_384


async def unix_listener(path: Path) -> Listener[Any]:
    """Listen on a unix socket that only the terminal's user can open."""
    return await anyio.create_unix_listener(path, mode=0o600)


async def serve(
    path: Path,
    handler: Handler,
    group: TaskGroup,
    texts: Texts = ENGLISH,
    listen: Listen = unix_listener,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; handlers run in `group`, so a client's end does not cancel them."""
    await anyio.Path(path).unlink(missing_ok=True)
    listener = await listen(path)
    try:
        async with listener:
            task_status.started()
            await listener.serve(lambda stream: _client(stream, handler, group, texts))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.Path(path).unlink(missing_ok=True)


async def _client(stream: ByteStream, handler: Handler, group: TaskGroup, texts: Texts) -> None:
    async with stream:
        lines = BufferedByteReceiveStream(stream)
        with suppress(
            anyio.EndOfStream,
            anyio.BrokenResourceError,
            anyio.IncompleteRead,
            anyio.DelimiterNotFound,
        ):
            while True:
                line = await lines.receive_until(b"\n", MAX_LINE_BYTES)
                await _request(line, stream, handler, group, texts)


async def _request(
    line: bytes, stream: ByteStream, handler: Handler, group: TaskGroup, texts: Texts
) -> None:
    sender, receiver = anyio.create_memory_object_stream[Mapping[str, Any]](64)

    def progress(body: Mapping[str, Any]) -> None:
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError):
            sender.send_nowait({"progress": body})

    async def work() -> None:
        with sender:
            body = await _outcome(line, handler, progress, texts)
            with suppress(anyio.BrokenResourceError):
                await sender.send(body)

    group.start_soon(work)
    with receiver:
        async for body in receiver:
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            await stream.send(text.encode() + b"\n")


async def _outcome(
    line: bytes, handler: Handler, progress: Progress, texts: Texts
) -> Mapping[str, Any]:
    try:
        try:
            request = json.loads(line)
            verb = request.pop("do")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise CodecError("The request is not a JSON object with a verb.") from error
        return {"result": await handler(str(verb), request, progress)}
    except PosfwError as error:
        return {"error": error_body(error, texts)}


def error_body(error: PosfwError, texts: Texts) -> dict[str, Any]:
    """Return an error as the control protocol and `--json` show it.

    An error in the middle of a transaction has its `ending`, which is unknown, and its `key`; any
    other means that nothing was begun. `text` tells it in the merchant's language, by its code; it
    is the code where none is known.
    """
    doubt = {name: error.facts[name] for name in ("ending", "key") if name in error.facts}
    return doubt | {
        "code": error.stable_code,
        "cause": error.cause,
        "effect": error.effect_text,
        "next_step": error.next_step_text,
        "text": texts(error.stable_code),
        "exit": type(error).exit_code,
    }
