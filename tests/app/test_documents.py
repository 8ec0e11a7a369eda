from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

import pytest

from posfw.app.documents import SlipComposer
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.settle.totals import totals
from posfw.values.document import Amount, Cut, Document, Field, Mark
from posfw.values.errors import RefusedError
from posfw.values.identity import Key
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job, JobState
from posfw.values.slip import Merchant
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Kind

Sell = Callable[..., Awaitable[Key]]
MERCHANT = Merchant("Test merchant", "898110154110001", "12345678", "Simulated acquirer")


@pytest.fixture
def composer(journal: Journal, clock: Clock) -> SlipComposer:
    return SlipComposer(journal, MERCHANT, ENGLISH, clock)


def values(document: Document) -> list[str]:
    return [block.value for block in document.blocks if isinstance(block, (Field, Amount))]


async def test_a_sale_becomes_two_receipts(
    composer: SlipComposer, journal: Journal, sell: Sell
) -> None:
    key = await sell(1250)
    jobs = await journal.jobs(JobState.QUEUED)
    assert [job.copy for job in jobs] == [Copy.MERCHANT, Copy.CARDHOLDER]
    for job in jobs:
        document = await composer.compose(job)
        assert document.copy is job.copy
        assert {"12345678", "123456", f"{key.stan:06d}", "RMB 12.50"} <= set(values(document))
        assert isinstance(document.blocks[-1], Cut)
        assert not any(isinstance(block, Mark) for block in document.blocks)


async def test_a_reprint_is_marked(composer: SlipComposer, journal: Journal, sell: Sell) -> None:
    await sell()
    (job, _) = await journal.jobs(JobState.QUEUED)
    document = await composer.compose(replace(job, duplicate=True))
    marks = [block.text for block in document.blocks if isinstance(block, Mark)]
    assert marks == ["DUPLICATE/重打印"]


async def test_a_refund_names_its_original(
    composer: SlipComposer, journal: Journal, sell: Sell
) -> None:
    first = await sell(1250)
    key = await sell(250, kind=Kind.REFUND, original=first)
    ref = DocumentRef(DocumentKind.RECEIPT, str(key))
    found = values(await composer.compose(Job(9, ref, Copy.MERCHANT)))
    assert "RMB -2.50" in found
    assert "RMB 12.50" in found
    assert f"{first.stan:06d}" in found


async def test_a_closed_batch_becomes_its_slip(
    composer: SlipComposer,
    journal: Journal,
    sell: Sell,
    clock: Clock,
) -> None:
    await sell(1250)
    batch = await journal.freeze(clock.now())
    sums = asdict(totals(await journal.transactions(batch)))
    result = {"balanced": True, "differences": [], **sums}
    await journal.close(batch, result, clock.now())
    job = await journal.next_job()
    assert job is not None
    assert job.ref == DocumentRef(DocumentKind.SETTLEMENT, str(batch))
    document = await composer.compose(job)
    assert [b.text for b in document.blocks if isinstance(b, Mark)] == ["BALANCED/对账平"]
    assert "RMB 12.50" in values(document)


@pytest.mark.parametrize("letter", ["X", "Z"])
async def test_reports_are_composed_from_the_batch(
    composer: SlipComposer,
    sell: Sell,
    letter: str,
) -> None:
    await sell(700)
    ref = DocumentRef(DocumentKind.REPORT, f"{letter}1")
    assert "RMB 7.00" in values(await composer.compose(Job(1, ref, Copy.SINGLE)))


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        (DocumentKind.RECEIPT, "12345678-000001-000099"),
        (DocumentKind.FAULT, "12345678-000001-000099"),
        (DocumentKind.SETTLEMENT, "7"),
        (DocumentKind.REPORT, "Q1"),
        (DocumentKind.REPORT, "X"),
    ],
)
async def test_what_the_journal_does_not_have_is_refused(
    composer: SlipComposer, kind: DocumentKind, subject: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        await composer.compose(Job(1, DocumentRef(kind, subject), Copy.SINGLE))
    assert refused.value.stable_code == "PRN-320"
