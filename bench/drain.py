"""What comes back with the line: stored transactions over a slow link, and a sale among them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, SocketAttribute, SocketStream

from bench.claim import Claim
from posfw.app.world import SystemChance, SystemClock
from posfw.crypto.dukpt import initial_key
from posfw.journal.store import Journal
from posfw.keys.software import SoftwareElement
from posfw.sim.acquirer import Acquirer
from posfw.sim.certificates import SERVER_NAME, Certificates, make
from posfw.uplink.driver import dialler
from posfw.uplink.settings import UplinkSettings
from posfw.uplink.task import Uplink
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.money import Money
from posfw.values.outcome import Approved
from posfw.values.transaction import Begun, Conclusion, Ending, Intent, Kind, Owed, OwedKind

STORED, ONE_BY_ONE = 500, 40
ROUND_TRIP_S = 0.1
TERMINAL, MERCHANT = "12345678", "898110154110001"
KEY_ID, BASE_KEY = bytes.fromhex("1234567890123456"), bytes(range(32))
ELEMENT = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, bytes(32))
TRACK = b"6250941006528599=30122011234567890000"
CARD = CardRead(
    CardNumber("6250941006528599"), EntryMode.SWIPED, "3012", "201", track2=Secret(TRACK)
)


@dataclass(frozen=True, slots=True)
class Drained:
    """Seconds for all stored messages, and what one live sale took: in the middle and after."""

    all_s: float
    live_s: float
    idle_s: float


async def _delay(source: ByteReceiveStream, sink: ByteSendStream) -> None:
    """Carry bytes half a round trip late, in order, without a limit on what is under way."""
    out, into = anyio.create_memory_object_stream[tuple[float, bytes]](100_000)

    async def write() -> None:
        async for due, data in into:
            await anyio.sleep(max(0.0, due - anyio.current_time()))
            await sink.send(data)

    async with anyio.create_task_group() as group:
        group.start_soon(write)
        async for data in source:
            out.send_nowait((anyio.current_time() + ROUND_TRIP_S / 2, data))


@asynccontextmanager
async def _slow_line(certificates: Certificates, acquirer: Acquirer) -> AsyncIterator[int]:
    """Serve the acquirer behind a proxy that delays; yield the proxy's port."""
    async with anyio.create_task_group() as group:
        port = await group.start(acquirer.serve, certificates, 0)

        async def carry(near: SocketStream) -> None:
            async with (
                near,
                await anyio.connect_tcp("127.0.0.1", port) as far,
                anyio.create_task_group() as both,
            ):
                both.start_soon(_delay, near, far)
                both.start_soon(_delay, far, near)

        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        group.start_soon(listener.serve, carry)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


async def _begin(journal: Journal) -> Begun:
    intent = Intent(
        kind=Kind.SALE,
        amount=Money(1200),
        entry_mode=EntryMode.SWIPED,
        card_masked=CARD.number.masked,
        card_token=bytes(16),
        operator="01",
        at=datetime.now().astimezone(),
    )
    return await journal.begin(intent)


async def _store(journal: Journal, uplink: Uplink, count: int) -> None:
    for _ in range(count):
        begun = await _begin(journal)
        advice = Owed(0, OwedKind.ADVICE, begun.key, sealed=uplink.seal(begun, CARD))
        at = datetime.now().astimezone()
        await journal.conclude(Conclusion(begun.key, Ending.APPROVED_OFFLINE, at, owed=(advice,)))


async def _sale_s(journal: Journal, uplink: Uplink) -> float:
    begun = await _begin(journal)
    before = time.perf_counter()
    outcome = await uplink.authorise(begun, CARD)
    if not isinstance(outcome, Approved):
        raise SystemExit(f"the live sale ended as {outcome}")
    return time.perf_counter() - before


async def _drain(folder: Path, count: int, window: int) -> Drained:
    certificates, acquirer = make(folder / "tls", TERMINAL), Acquirer(BASE_KEY)
    clock = SystemClock()
    async with (
        _slow_line(certificates, acquirer) as port,
        Journal.open(
            folder / "journal.db", terminal=TERMINAL, chain_key=bytes(32), clock=clock, create=True
        ) as journal,
    ):
        settings = UplinkSettings(
            addresses=(f"127.0.0.1:{port}",),
            server_name=SERVER_NAME,
            terminal=TERMINAL,
            merchant=MERCHANT,
            window=window,
        )
        dial = dialler(
            ca=certificates.ca,
            certificate=certificates.device,
            key=certificates.device_key,
            settings=settings,
        )
        uplink = Uplink(
            journal=journal,
            element=ELEMENT,
            random=SystemChance(),
            clock=clock,
            settings=settings,
            dial=dial,
        )
        await _store(journal, uplink, count)
        async with anyio.create_task_group() as group:
            group.start_soon(uplink.run)
            while not uplink.online:
                await uplink.changed()
            before = time.perf_counter()
            while len(acquirer.bank.postings) < count // 2:
                await anyio.sleep(0.005)
            live_s = await _sale_s(journal, uplink)
            while await journal.owed(1):
                await anyio.sleep(0.005)
            all_s = time.perf_counter() - before
            idle_s = await _sale_s(journal, uplink)
            group.cancel_scope.cancel()
    if len(acquirer.bank.records(TERMINAL, 1)) != count + 2:
        raise SystemExit("the bank's records are not what was stored and sold")
    return Drained(all_s, live_s, idle_s)


@cache
def _measured(count: int, window: int) -> Drained:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_drain(Path(folder), count, window))


def drain() -> Claim:
    """Stored transactions a second when the line returns, against one at a time."""
    many, single = _measured(STORED, 32), _measured(ONE_BY_ONE, 1)
    return Claim(
        STORED / many.all_s,
        ONE_BY_ONE / single.all_s,
        "messages/s",
        20.0,
        f"{STORED} stored, TLS over a proxy of 100 ms round trip, journal and bank included; "
        f"other: {ONE_BY_ONE} with a window of one",
        higher_is_better=True,
    )


def drain_live() -> Claim:
    """A sale begun in the middle of the drain against one on an idle line and one message."""
    many, single = _measured(STORED, 32), _measured(ONE_BY_ONE, 1)
    return Claim(
        many.live_s * 1000,
        (many.idle_s + single.all_s / ONE_BY_ONE) * 1000,
        "ms",
        1.0,
        "other: the same sale on the idle line, and the time of one stored message",
    )


CLAIMS = {"drain": drain, "drain_live": drain_live}
