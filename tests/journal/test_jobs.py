from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from posfw.values.printjob import Copy, DocumentKind, DocumentRef, JobState
from tests.journal.fakes import NOW, SALE, approved, opened


@pytest.mark.parametrize("state", [JobState.PRINTING, JobState.PAUSED])
async def test_a_job_cut_after_it_began_is_unknown_and_a_person_decides(
    tmp_path: Path, state: JobState
) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
        job = await journal.next_job()
        assert job is not None
        await journal.mark(job, state, 2, "", NOW)
    async with opened(tmp_path) as journal:
        (cut,) = await journal.jobs(JobState.UNKNOWN)
        assert (cut.number, cut.reason) == (job.number, "PRN-301")
        following = await journal.next_job()
        assert following is not None
        assert following.number != job.number
        again = await journal.enqueue(job.ref, Copy.MERCHANT, NOW)
        assert again.duplicate


async def test_a_moved_job_wakes_who_waits_for_the_queue(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
        await journal.changed_jobs()
        job = await journal.next_job()
        assert job is not None
        await journal.mark(job, JobState.VOID, 0, "void", NOW)
        with anyio.fail_after(5):
            await journal.changed_jobs()


async def test_a_half_printed_job_goes_before_a_settlement_and_that_before_a_receipt(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
        receipt = await journal.next_job()
        assert receipt is not None
        slip = await journal.enqueue(DocumentRef(DocumentKind.SETTLEMENT, "1"), Copy.SINGLE, NOW)
        first = await journal.next_job()
        assert first is not None
        assert first.number == slip.number
        await journal.mark(receipt, JobState.PAUSED, 3, "PRN-202", NOW)
        first = await journal.next_job()
        assert first is not None
        assert (first.number, first.band) == (receipt.number, 3)
