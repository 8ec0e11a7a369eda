"""Time limits on virtual time: what stands in docs/wire.md, to the second, without waiting."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Coroutine
from contextlib import closing
from socket import gaierror
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from posfw.uplink.settings import UplinkSettings
from posfw.uplink.task import LineState, Uplink
from posfw.values.outcome import Unknown
from tests.simulation.loop import SimLoop
from tests.uplink.acquirer import (
    CARD,
    ELEMENT,
    MERCHANT,
    TERMINAL,
    Bank,
    Chance,
    Clock,
    Rows,
    begun,
    says,
)

SETTINGS = UplinkSettings(
    addresses=("localhost:1",), server_name="a", terminal=TERMINAL, merchant=MERCHANT
)


class Deaf(Bank):
    """Takes every byte and answers nothing once it is told so: half of a line is gone."""

    def __init__(self) -> None:
        super().__init__(says("00"))
        self.deaf = False

    async def answers(self, data: bytes) -> list[bytes]:
        return [] if self.deaf else await super().answers(data)


def uplink(dial: Callable[[], Coroutine[Any, Any, ByteStream]]) -> Uplink:
    return Uplink(
        journal=Rows(),
        element=ELEMENT,
        random=Chance(),
        clock=Clock(),
        settings=SETTINGS,
        dial=dial,
    )


async def up(made: Uplink) -> None:
    while not made.online:
        await made.changed()


def virtually(what: Coroutine[Any, Any, None]) -> None:
    """Run on a loop whose time passes at once."""
    with closing(SimLoop(1, 0.0)) as loop:
        loop.run_until_complete(what)
        assert loop.faults == []


@pytest.mark.parametrize("after_s", [0.0, 0.001, 7.0, 19.999, 20.0, 20.001, 33.0, 3600.0])
def test_a_half_open_line_is_found_within_heartbeat_and_echo_limit(after_s: float) -> None:
    async def run() -> None:
        bank = Deaf()
        made = uplink(bank.dial)
        async with anyio.create_task_group() as group:
            bank.group = group
            group.start_soon(made.run)
            await up(made)
            await anyio.sleep(after_s)
            bank.deaf, since = True, anyio.current_time()
            while made.state.line is not LineState.OFFLINE:
                await made.changed()
            assert made.state.code == "NET-121"
            took_s = anyio.current_time() - since
            assert took_s <= SETTINGS.heartbeat_s + SETTINGS.echo_timeout_s
            bank.deaf = False
            await up(made)
            group.cancel_scope.cancel()

    virtually(run())


def test_a_sale_on_a_half_open_line_ends_in_doubt_by_its_own_limit() -> None:
    async def run() -> None:
        bank = Deaf()
        made = uplink(bank.dial)
        async with anyio.create_task_group() as group:
            bank.group = group
            group.start_soon(made.run)
            await up(made)
            bank.deaf, since = True, anyio.current_time()
            assert isinstance(await made.authorise(begun(), CARD), Unknown)
            assert anyio.current_time() - since <= SETTINGS.authorise_timeout_s
            group.cancel_scope.cancel()

    virtually(run())


def test_a_line_that_takes_no_bytes_is_ended_by_the_write_limit() -> None:
    class Full(Bank):
        async def dial(self) -> ByteStream:
            stream = await super().dial()
            stream.send = self.never  # type: ignore[method-assign]  # this end of the wire is stuck
            return stream

        async def never(self, item: bytes) -> None:
            del item
            await anyio.sleep_forever()

    async def run() -> None:
        bank = Full(says("00"))
        made = uplink(bank.dial)
        async with anyio.create_task_group() as group:
            bank.group = group
            group.start_soon(made.run)
            while made.state.line is not LineState.OFFLINE or not made.state.code:
                await made.changed()
            assert made.state.code == "NET-127"
            assert anyio.current_time() <= SETTINGS.write_timeout_s + SETTINGS.echo_timeout_s
            group.cancel_scope.cancel()

    virtually(run())


def test_a_sale_under_way_when_the_uplink_stops_is_in_doubt() -> None:
    async def run() -> None:
        bank = Deaf()
        made = uplink(bank.dial)
        outcomes: list[object] = []

        async def sell() -> None:
            outcomes.append(await made.authorise(begun(), CARD))

        async with anyio.create_task_group() as outer:
            async with anyio.create_task_group() as group:
                bank.group = outer
                group.start_soon(made.run)
                await up(made)
                bank.deaf = True
                outer.start_soon(sell)
                await anyio.sleep(1)
                group.cancel_scope.cancel()
            await anyio.sleep(1)
            assert outcomes == [Unknown("The uplink was stopped.")]  # NET-130
            outer.cancel_scope.cancel()

    virtually(run())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (gaierror(-2, "Name or service not known"), "NET-111"),
        (ssl.SSLError(1, "[SSL: BAD_SIGNATURE] bad signature"), "NET-110"),
        (OSError(101, "Network is unreachable"), "NET-101"),
    ],
)
def test_what_a_dial_meets_has_its_code_and_is_tried_again(error: OSError, code: str) -> None:
    if isinstance(error, ssl.SSLError):
        error.reason = "BAD_SIGNATURE"

    async def run() -> None:
        bank = Deaf()
        errors = [error] * 3

        async def dial() -> ByteStream:
            if errors:
                await anyio.lowlevel.checkpoint()
                raise errors.pop()
            return await bank.dial()

        made = uplink(dial)
        async with anyio.create_task_group() as group:
            bank.group = group
            group.start_soon(made.run)
            seen = set()
            while not made.online:
                seen.add((await made.changed()).code)
            assert code in seen
            assert made.state.code == ""
            group.cancel_scope.cancel()

    virtually(run())
