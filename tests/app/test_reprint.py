"""Every past record comes out again: whatever its kind and its ending, settled or archived."""

from __future__ import annotations

from pathlib import Path

import pytest

from posfw.app.advices import Advices
from posfw.app.documents import SlipComposer
from posfw.app.printing import Printing
from posfw.app.qr import QrDesk
from posfw.values.document import Document, Mark
from posfw.values.printjob import Copy, JobState
from posfw.values.slip import Merchant
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Kind, State
from tests.app.till import KEYED, Till, till

pytestmark = pytest.mark.may_block

CODE = "281234567890123456"


async def everything(shop: Till) -> None:
    """One of each kind, and one of each ending."""
    cashier, advices = shop.cashier, Advices(shop.cashier)
    qr = QrDesk(cashier, shop.line.close)
    for _ in range(2):
        sold = await shop.sale(10_000)
        await shop.do(advices, "tip", key=sold, amount="1.00")
    await shop.deliver()
    await shop.do(cashier, "void", key=sold)
    await shop.do(cashier, "refund", key=await shop.sale(10_000), amount="1.00")
    await shop.do(cashier, "balance", **KEYED)
    called = await shop.do(advices, "offline_sale", amount="9.00", auth_code="A1B2C3", **KEYED)
    await shop.deliver()
    for amount in ("10.00", "8.00"):
        await shop.do(advices, "adjust", key=called["key"], amount=amount)
        await shop.deliver()
    plan = await shop.do(cashier, "instalment", amount="600.00", periods=3, **KEYED)
    await shop.do(cashier, "void", key=plan["key"])
    for how in ("completion", "completion_advice"):
        held = await shop.do(cashier, "preauth", amount="10.00", **KEYED)
        await shop.do(cashier, "preauth_add", key=held["key"], amount="1.00")
        part = advices if how == "completion_advice" else cashier
        done = await shop.do(part, how, key=held["key"], amount="11.00")
        await shop.deliver()
        await shop.do(cashier, "completion_void", key=done["key"])
    await shop.do(cashier, "preauth_void", key=held["key"])
    for verb in ("void", "refund"):
        paid = await shop.do(qr, "qr_pay", amount="5.00", code=CODE)
        await shop.do(cashier, verb, key=paid["key"], amount="1.00")
    await shop.do(cashier, "sale", amount="10.51", **KEYED)
    shop.line.lost = {"authorise", "inquire"}
    await shop.do(cashier, "sale", amount="10.00", **KEYED)
    shop.line.lost = set()
    await shop.deliver()
    shop.line.down = True
    await shop.do(cashier, "sale", amount="10.00", **KEYED)
    shop.line.down = False


async def close(shop: Till) -> None:
    batch = await shop.journal.freeze(shop.clock.now())
    await shop.journal.close(batch, {"balanced": True, "differences": []}, shop.clock.now())


def marks(document: Document) -> str:
    return " ".join(block.text for block in document.blocks if isinstance(block, Mark))


@pytest.mark.parametrize("closed", [0, 1, 4])
async def test_every_kind_and_every_ending_comes_out_again_with_its_mark(
    tmp_path: Path, closed: int
) -> None:
    async with till(tmp_path) as shop:
        await everything(shop)
        assert await shop.agrees()
        past = await shop.journal.transactions()
        assert {t.begun.intent.kind for t in past} == set(Kind)
        assert {t.state for t in past} == {
            State.APPROVED,
            State.DECLINED,
            State.CANCELLED,
            State.REVERSED,
        }
        for _ in range(closed):
            await close(shop)
        moved = 0
        while step := await shop.journal.archive(shop.clock.now()):
            moved += step
        assert (moved > 0) == (closed > 2)  # the newest two stay
        merchant = Merchant("Shop", "898110154110001", "12345678")
        composer = SlipComposer(shop.journal, merchant, ENGLISH, shop.clock)
        printing = Printing(shop.journal, composer, lambda: None, shop.clock)
        while (job := await shop.journal.next_job()) is not None:
            await shop.journal.mark(job, JobState.DONE, 9, "", shop.clock.now())
        for transaction in past:
            assert (await shop.do(printing, "reprint", key=str(transaction.key)))["ok"]
            (job,) = await shop.journal.jobs(JobState.QUEUED)
            said = marks(await composer.compose(job))
            assert (job.copy, job.ref.subject) == (Copy.MERCHANT, str(transaction.key))
            assert "DUPLICATE" in said
            assert ("TESTING" in said) == transaction.begun.intent.test
            valid = transaction.state is State.APPROVED
            assert any(w in said for w in ("DECLINED", "CANCELLED", "REVERSED")) != valid
            await shop.journal.mark(job, JobState.DONE, 9, "", shop.clock.now())
