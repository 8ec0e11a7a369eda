"""The stripe reader over real ptys: whole, byte by byte, lossy, delayed; unplugged, reopened."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from posfw.card.codes import BAD_TRACK, HALF_LINE, NOISE, READER_GONE
from posfw.card.magstripe import Outcome
from posfw.card.supervisor import Backoff
from posfw.card.task.stripe import SerialCardReader
from posfw.sim.cards import NAMES, deck
from posfw.sim.reader import Way, pty_reader
from posfw.values.card import CardRead

CARDS = deck(7)
VISA = CARDS["visa"]
# A busy machine may pause for a tenth of a second within a line; only a half one waits for that.
HALF_LINE_S = {True: 0.1, False: 5.0}


@asynccontextmanager
async def reading(path: str, *, half_line_s: float = 5.0) -> AsyncIterator[AsyncIterator[Outcome]]:
    async with running(path, half_line_s=half_line_s) as reader:
        yield reader.reads()


@asynccontextmanager
async def running(path: str, *, half_line_s: float = 5.0) -> AsyncIterator[SerialCardReader]:
    reader = SerialCardReader(path, backoff=Backoff(0.01, 0.05), half_line_s=half_line_s)
    async with anyio.create_task_group() as group:
        await group.start(reader.run)
        with anyio.fail_after(5):
            yield reader
        group.cancel_scope.cancel()


def shown(outcome: Outcome) -> str:
    return outcome.number.reveal() if isinstance(outcome, CardRead) else outcome


@pytest.mark.parametrize("name", NAMES)
async def test_every_card_is_read_whole(name: str) -> None:
    with pty_reader() as port:
        async with reading(port.path) as reads:
            await port.swipe(CARDS[name])
            card = await anext(reads)
    assert isinstance(card, CardRead)
    assert card.number == CARDS[name].number
    assert (card.expiry, card.service_code) == (CARDS[name].expiry, CARDS[name].service_code)


@pytest.mark.parametrize(
    ("way", "delay_s", "expected"),
    [
        (Way.BYTE_BY_BYTE, 0.0, [VISA.number.reveal()]),
        (Way.BYTE_BY_BYTE, 0.001, [VISA.number.reveal()]),
        (Way.WHOLE, 0.05, [VISA.number.reveal()]),
        (Way.BAD_TRACK, 0.0, [BAD_TRACK]),
        (Way.NOISE, 0.0, [NOISE, VISA.number.reveal()]),
        (Way.HALF_LINE, 0.0, [HALF_LINE]),
    ],
)
async def test_a_swipe_ends_clearly_in_every_way(
    way: Way, delay_s: float, expected: list[str]
) -> None:
    with pty_reader() as port:
        async with reading(port.path, half_line_s=HALF_LINE_S[way is Way.HALF_LINE]) as reads:
            await port.swipe(VISA, way=way, delay_s=delay_s)
            found = [shown(await anext(reads))]
            while found[-1] != expected[-1]:
                found.append(shown(await anext(reads)))
    assert found[0] == expected[0]


async def test_an_unplugged_reader_is_told_once_and_reopened(tmp_path: Path) -> None:
    link = tmp_path / "card"
    with pty_reader(link) as port:
        async with running(str(link)) as reader:
            await port.swipe(VISA)
            await anext(reader.reads())
            port.unplug()
            assert await anext(reader.reads()) == READER_GONE
            with pty_reader(link) as again:
                found = None
                while found is None:  # opening drops what came before: swipe until it is read
                    await again.swipe(VISA)
                    with anyio.move_on_after(0.05):
                        found = shown(await anext(reader.reads()))
                assert found == VISA.number.reveal()


async def test_a_missing_port_is_told_once(tmp_path: Path) -> None:
    async with reading(str(tmp_path / "none")) as reads:
        assert await anext(reads) == READER_GONE
        with anyio.move_on_after(0.1) as waiting:
            await anext(reads)
        assert waiting.cancelled_caught


async def test_only_the_newest_reads_wait_and_can_be_forgotten() -> None:
    reader = SerialCardReader("unused")
    reader._latest.put([f"CRD-{n}" for n in range(10)])
    assert list(reader._latest.items) == ["CRD-6", "CRD-7", "CRD-8", "CRD-9"]
    reader.forget()
    assert not reader._latest.items


async def test_no_card_number_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pty_reader() as port:
        async with reading(port.path, half_line_s=0.1) as reads:
            for way in (Way.WHOLE, Way.HALF_LINE):
                await port.swipe(VISA, way=way)
                await anext(reads)
            port.unplug()
            await anext(reads)
    assert VISA.number.reveal() not in caplog.text
