from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

import anyio
import pytest

from posfw.app.documents import SlipComposer
from posfw.app.printing import Printing
from posfw.app.verbs import Body
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.printer.preview import png
from posfw.printer.queue import PrinterView
from posfw.printer.raster import Raster
from posfw.printer.sheet import page
from posfw.printer.store import open_glyphs
from posfw.values.errors import CodecError, ConfigError, RefusedError
from posfw.values.identity import Key
from posfw.values.printjob import Copy, JobState
from posfw.values.slip import Merchant
from posfw.values.texts import ENGLISH

pytestmark = pytest.mark.may_block  # the glyph file is mapped here as at start-up

Sell = Callable[..., Awaitable[Key]]
Ask = Callable[..., Awaitable[Body]]


@pytest.fixture
def composer(journal: Journal, clock: Clock) -> SlipComposer:
    merchant = Merchant("Test merchant", "898110154110001", "12345678")
    return SlipComposer(journal, merchant, ENGLISH, clock)


@pytest.fixture
def canvas() -> Raster:
    return Raster(open_glyphs(), 384)


@pytest.fixture
def ask(journal: Journal, composer: SlipComposer, canvas: Raster, clock: Clock) -> Ask:
    verbs = Printing(journal, composer, lambda: canvas, clock).verbs()

    async def asked(verb: str, **body: object) -> Body:
        return await verbs[verb](body, lambda _: None)

    return asked


async def print_all(journal: Journal, clock: Clock) -> None:
    while (job := await journal.next_job()) is not None:
        await journal.mark(job, JobState.DONE, 9, "", clock.now())


async def test_a_preview_is_the_very_page(
    ask: Ask, sell: Sell, journal: Journal, composer: SlipComposer, canvas: Raster
) -> None:
    key = await sell()
    shown = await ask("preview", subject=str(key))
    (job, _) = await journal.jobs(JobState.QUEUED)
    assert base64.b64decode(shown["png"]) == png(page(await composer.compose(job), canvas))
    assert shown["width_dots"] == 384


async def test_a_reprint_is_queued_as_a_duplicate(
    ask: Ask, sell: Sell, journal: Journal, clock: Clock
) -> None:
    key = await sell()
    await print_all(journal, clock)
    assert (await ask("reprint", key=str(key)))["ok"] is True
    (job,) = await journal.jobs(JobState.QUEUED)
    assert (job.duplicate, job.copy, job.ref.subject) == (True, Copy.MERCHANT, str(key))


async def test_an_unknown_transaction_is_not_queued(ask: Ask, journal: Journal) -> None:
    with pytest.raises(RefusedError, match="no receipt"):
        await ask("reprint", key="12345678-000001-000099")
    assert await journal.jobs(JobState.QUEUED) == []


@pytest.mark.parametrize(("decision", "again"), [("reprint", 1), ("void", 0)])
async def test_a_person_decides_about_paper_that_nobody_knows(
    ask: Ask, sell: Sell, journal: Journal, clock: Clock, decision: str, again: int
) -> None:
    await sell()
    first, second = await journal.jobs(JobState.QUEUED)
    await journal.mark(first, JobState.UNKNOWN, 3, "PRN-301", clock.now())
    await journal.mark(second, JobState.DONE, 9, "", clock.now())
    assert (await ask("unknown_prints", decision=decision))["decided"] == 1
    waiting = await journal.jobs(JobState.QUEUED)
    assert [job.duplicate for job in waiting] == [True] * again
    assert await journal.jobs(JobState.UNKNOWN) == []


async def test_reports_and_tests_can_be_queued(ask: Ask, sell: Sell, journal: Journal) -> None:
    await sell()
    await ask("print", kind="report", subject="X1", copy="single")
    await ask("print", kind="test", subject="1", copy="single")
    kinds = [job.ref.kind.value for job in await journal.jobs(JobState.QUEUED)]
    assert kinds[-2:] == ["report", "test"]


@pytest.mark.parametrize(
    "body",
    [{"subject": 1}, {"subject": "1", "kind": "poem"}, {"subject": "X1", "copy": "third"}],
)
async def test_nonsense_is_refused(ask: Ask, body: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        await ask("preview", **body)
    with pytest.raises(CodecError):
        await ask("unknown_prints", decision="perhaps")


async def test_without_glyphs_there_is_no_preview(
    journal: Journal, composer: SlipComposer, clock: Clock
) -> None:
    verbs = Printing(journal, composer, lambda: None, clock).verbs()
    with pytest.raises(ConfigError) as error:
        await verbs["preview"]({"subject": "1", "kind": "test"}, lambda _: None)
    assert error.value.stable_code == "PRN-310"


async def test_who_waits_for_a_slip_hears_how_its_job_ended(
    journal: Journal, composer: SlipComposer, clock: Clock, sell: Sell
) -> None:
    printing = Printing(journal, composer, lambda: None, clock)
    await sell()
    first, second = await journal.jobs(JobState.QUEUED)
    heard: list[bool] = []

    async def wait(number: int) -> None:
        heard.append(await printing.printed(number))

    for job, state in ((first, JobState.DONE), (second, JobState.VOID)):
        async with anyio.create_task_group() as group:
            group.start_soon(wait, job.number)
            await anyio.wait_all_tasks_blocked()
            await journal.mark(job, JobState.PRINTING, 0, "", clock.now())
            printing.watch(PrinterView(job=job.number))
            await journal.mark(job, state, 0, "", clock.now())
            printing.watch(PrinterView())
    assert heard == [True, False]
    assert await printing.printed(99, limit_s=0.0) is False
