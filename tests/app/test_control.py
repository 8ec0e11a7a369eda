from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from posfw.app.control import MAX_LINE_BYTES, serve
from posfw.app.verbs import Handler, Progress
from posfw.values.errors import RefusedError


@asynccontextmanager
async def serving(path: Path, handler: Handler) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        await group.start(serve, path, handler, group)
        yield
        group.cancel_scope.cancel()


async def answers(stream: SocketStream, request: bytes) -> list[dict[str, Any]]:
    await stream.send(request + b"\n")
    received = b""
    while True:
        received += await stream.receive()
        lines = [json.loads(line) for line in received.split(b"\n") if line]
        if received.endswith(b"\n") and "progress" not in lines[-1]:
            return lines


async def echo(verb: str, body: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
    progress({"screen": "working"})
    if verb == "refuse":
        raise RefusedError("The batch is frozen.", code="SET-101")
    return {"verb": verb, **body}


async def test_progress_comes_before_the_result(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "c", echo),
        await anyio.connect_unix(tmp_path / "c") as stream,
    ):
        first = await answers(stream, b'{"do":"sale","amount":"1.00"}')
        assert first == [
            {"progress": {"screen": "working"}},
            {"result": {"verb": "sale", "amount": "1.00"}},
        ]


async def test_errors_carry_code_cause_effect_and_next_step(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "c", echo),
        await anyio.connect_unix(tmp_path / "c") as stream,
    ):
        error = (await answers(stream, b'{"do":"refuse"}'))[-1]["error"]
    assert (error["code"], error["exit"]) == ("SET-101", 4)
    assert error["cause"]
    assert error["effect"]
    assert error["next_step"]


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b"{", b'"do"', b"\xff"])
async def test_nonsense_is_answered_and_the_line_stays_open(tmp_path: Path, line: bytes) -> None:
    async with (
        serving(tmp_path / "c", echo),
        await anyio.connect_unix(tmp_path / "c") as stream,
    ):
        assert (await answers(stream, line))[-1]["error"]["code"] == "WIR-201"
        assert (await answers(stream, b'{"do":"x"}'))[-1]["result"] == {"verb": "x"}


async def test_an_endless_line_ends_the_client_and_not_the_terminal(tmp_path: Path) -> None:
    async with serving(tmp_path / "c", echo):
        async with await anyio.connect_unix(tmp_path / "c") as stream:
            await stream.send(b"x" * (MAX_LINE_BYTES + 1))
            with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
                await stream.receive()
        async with await anyio.connect_unix(tmp_path / "c") as stream:
            assert (await answers(stream, b'{"do":"x"}'))[-1]["result"] == {"verb": "x"}


async def test_a_client_that_goes_away_does_not_end_its_transaction(tmp_path: Path) -> None:
    begun, may_end, ended = anyio.Event(), anyio.Event(), anyio.Event()

    async def slow(verb: str, body: Mapping[str, Any], progress: Progress) -> Mapping[str, Any]:
        begun.set()
        await may_end.wait()
        ended.set()
        return {}

    async with serving(tmp_path / "c", slow):
        async with await anyio.connect_unix(tmp_path / "c") as stream:
            await stream.send(b'{"do":"sale"}\n')
            await begun.wait()
        may_end.set()
        with anyio.fail_after(5):
            await ended.wait()


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    async with serving(tmp_path / "c", echo):
        mode = (await anyio.Path(tmp_path / "c").stat()).st_mode
    assert mode & 0o777 == 0o600
    assert not (tmp_path / "c").exists()
