from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from posfw.journal.store import Journal
from posfw.values.card import EntryMode
from posfw.values.document import Copy, DocumentKind, DocumentRef, JobState
from posfw.values.errors import (
    JournalBusyError,
    JournalCorruptError,
    JournalError,
    MisuseError,
    RefusedError,
)
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer, DoFirst
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Ending,
    Intent,
    Kind,
    Owed,
    OwedKind,
    State,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEY = b"k" * 32
SALE = Intent(
    kind=Kind.SALE,
    amount=Money(1250),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
    expiry="2812",
    note="order 7",
)


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@asynccontextmanager
async def opened(folder: Path, *, create: bool = True) -> AsyncIterator[Journal]:
    async with Journal.open(
        folder / "journal.db",
        terminal="12345678",
        chain_key=KEY,
        clock=FixedClock(),
        create=create,
    ) as journal:
        yield journal


def approved(begun: Begun, *, copies: int = 2) -> Conclusion:
    answer = Answer("00", "123456", "1", do_first=frozenset({DoFirst.KEYS}))
    return Conclusion(begun.key, Ending.APPROVED, NOW, answer, copies=copies)


def unknown(begun: Begun) -> Conclusion:
    owed = Owed(0, OwedKind.REVERSAL, begun.key, reason="98")
    return Conclusion(begun.key, Ending.UNKNOWN, NOW, reason="98", owed=(owed,))


def offline(begun: Begun) -> Conclusion:
    owed = Owed(0, OwedKind.ADVICE, begun.key, sealed=b"sealed")
    return Conclusion(begun.key, Ending.APPROVED_OFFLINE, NOW, owed=(owed,), copies=2)


async def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
    async with opened(tmp_path, create=False) as journal:
        found = await journal.transaction(begun.key)
        assert found is not None
        assert (found.state, found.begun) == (State.APPROVED, begun)
        assert found.answer == approved(begun).answer
        assert await journal.verify() is None


async def test_numbers_rise_and_are_never_used_twice(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    for _ in range(3):
        async with opened(tmp_path) as journal:
            for _ in range(3):
                begun = await journal.begin(SALE)
                seen.append((begun.key.stan, begun.ksn_counter))
                await journal.conclude(approved(begun))
                assert await journal.reserve_counters(2) > begun.ksn_counter
    assert seen == sorted(set(seen))
    assert [stan for stan, _ in seen] == list(range(1, 10))


async def test_begun_without_conclusion_is_in_doubt_after_reopening(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
    async with opened(tmp_path) as journal:
        (doubtful,) = await journal.in_doubt()
        assert doubtful.begun == begun
        assert (await journal.standing()).in_doubt == 1


async def test_a_second_conclusion_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        with pytest.raises(MisuseError):
            await journal.conclude(approved(begun))
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.REVERSING


async def test_a_reversal_ends_only_by_the_acquirers_word(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
    async with opened(tmp_path) as journal:
        (owed,) = await journal.owed(10)
        await journal.acknowledge(owed, "00", NOW)
        await journal.acknowledge(owed, "00", NOW)  # a duplicate answer changes nothing
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.REVERSED
        assert await journal.owed(10) == []


async def test_clearing_by_hand_needs_a_reason(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(unknown(begun))
        (owed,) = await journal.owed(10)
        with pytest.raises(MisuseError):
            await journal.clear(owed, "00", " ", NOW)
        await journal.clear(owed, "00", "bank confirmed by telephone", NOW)
        found = await journal.transaction(begun.key)
        assert found is not None
        assert found.state is State.CLEARED


async def test_what_the_acquirer_refuses_goes_to_a_list_and_not_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(offline(begun))
        (owed,) = await journal.owed(10)
        await journal.reject(owed, "14", NOW)
        assert await journal.owed(10) == []
        assert [(o.key, code) for o, code in await journal.rejected()] == [(begun.key, "14")]
        assert (await journal.standing()).rejected == 1


async def test_reversals_are_sent_before_advices(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for conclusion in (offline, unknown, offline):
            await journal.conclude(conclusion(await journal.begin(SALE)))
        kinds = [owed.kind for owed in await journal.owed(10)]
        assert kinds == [OwedKind.REVERSAL, OwedKind.ADVICE, OwedKind.ADVICE]
        standing = await journal.standing()
        assert (standing.offline_count, standing.offline_sum) == (2, 2500)


async def test_a_void_marks_and_a_refund_adds(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        first = await journal.begin(SALE)
        await journal.conclude(approved(first))
        for amount in (300, 200):
            refund = replace(SALE, kind=Kind.REFUND, amount=Money(amount), original=first.key)
            await journal.conclude(approved(await journal.begin(refund)))
        void = replace(SALE, kind=Kind.VOID, original=first.key)
        await journal.conclude(approved(await journal.begin(void)))
        found = await journal.transaction(first.key)
        assert found is not None
        assert (found.refunded, found.voided) == (Money(500), True)


async def test_a_frozen_batch_takes_nothing_and_the_next_one_does(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun, copies=0))
        batch = await journal.freeze(NOW)
        with pytest.raises(RefusedError):
            await journal.begin(SALE)
        assert await journal.close(batch, {"balanced": True}, NOW) == batch + 1
        assert (await journal.begin(SALE)).key.batch == batch + 1
        (closed,) = await journal.batches(5)
        assert (closed["batch"], closed["balanced"]) == (batch, True)
        job = await journal.next_job()
        assert job is not None
        assert job.ref == DocumentRef(DocumentKind.SETTLEMENT, str(batch))


async def test_a_batch_in_doubt_is_not_closed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(unknown(await journal.begin(SALE)))
        batch = await journal.freeze(NOW)
        with pytest.raises(RefusedError):
            await journal.close(batch, {}, NOW)


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


async def test_entries_can_neither_be_changed_nor_deleted(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(approved(await journal.begin(SALE)))
    with sqlite3.connect(tmp_path / "journal.db") as raw:
        for statement in ("UPDATE entry SET body = x'00'", "DELETE FROM entry"):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(statement)
    raw.close()


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE entry SET body = x'a0' WHERE number = 2",
        "DELETE FROM entry WHERE number = 2",
        "DELETE FROM entry WHERE number = (SELECT max(number) FROM entry)",
        "UPDATE entry SET at = 'x' WHERE number = 1",
    ],
)
async def test_tampering_behind_the_schema_is_found(tmp_path: Path, tampering: str) -> None:
    async with opened(tmp_path) as journal:
        for _ in range(2):
            await journal.conclude(approved(await journal.begin(SALE)))
    await anyio.to_thread.run_sync(_tamper, tmp_path / "journal.db", tampering)
    async with opened(tmp_path) as journal:
        assert await journal.verify() is not None


def _tamper(path: Path, statement: str) -> None:
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER entry_never_changes")
    raw.execute("DROP TRIGGER entry_never_goes")
    raw.execute(statement)
    raw.commit()
    raw.close()


async def test_records_are_read_by_topic_and_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for name in ("signed_on", "signed_off"):
            await journal.append(Record(Topic.SESSION, name, NOW, body={"batch": 1}))
            assert (await journal.standing()).signed_on is (name == "signed_on")
        await journal.append(Record(Topic.UPKEEP, "cleaned", NOW, "01"))
        assert [r.name for r in await journal.read(Topic.SESSION)] == ["signed_on", "signed_off"]


async def test_a_cancelled_caller_leaves_no_half_transaction(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for _ in range(10):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await journal.begin(SALE)
        begun = await journal.begin(SALE)
        await journal.conclude(approved(begun))
        assert await journal.verify() is None


async def test_two_tasks_do_not_share_a_transaction(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        keys: list[Key] = []

        async def sell() -> None:
            begun = await journal.begin(SALE)
            keys.append(begun.key)
            await journal.conclude(approved(begun, copies=0))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(sell)
        assert len(set(keys)) == 20


async def test_a_second_opener_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(JournalBusyError, match=r"Process \d+ holds"):
            async with opened(tmp_path):
                raise AssertionError("two openers")


def _folder(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.touch()


def _noise(path: Path) -> None:
    path.write_bytes(b"not a database" * 400)


def _foreign(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE other (a)")
    raw.commit()
    raw.close()


def _newer(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA application_id = 0x706F7366")
    raw.execute("PRAGMA user_version = 99")
    raw.execute("CREATE TABLE entry (a)")
    raw.commit()
    raw.close()


@pytest.mark.parametrize("make", [_folder, _empty, _noise, _foreign, _newer])
async def test_a_file_that_is_no_journal_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.db"
    await anyio.to_thread.run_sync(make, path)
    before = await anyio.to_thread.run_sync(lambda: path.read_bytes() if path.is_file() else b"")
    with pytest.raises(JournalError):
        async with opened(tmp_path):
            raise AssertionError("opened")
    after = await anyio.to_thread.run_sync(lambda: path.read_bytes() if path.is_file() else b"")
    assert before == after


async def test_what_a_half_made_journal_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    def leave() -> None:
        for suffix in ("", "-wal", "-journal"):
            (tmp_path / f"journal.db.new{suffix}").write_bytes(b"half")

    await anyio.to_thread.run_sync(leave)
    async with opened(tmp_path) as journal:
        await journal.begin(SALE)
        assert await journal.verify() is None
    names = await anyio.to_thread.run_sync(lambda: sorted(p.name for p in tmp_path.iterdir()))
    assert names == ["journal.db", "journal.db.anchor", "journal.db.lock"]


async def test_a_missing_journal_is_never_made_silently(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        async with opened(tmp_path, create=False):
            raise AssertionError("opened")


async def test_a_flipped_page_is_noticed(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        for _ in range(30):
            await journal.conclude(approved(await journal.begin(SALE)))

    def flip() -> None:
        path = tmp_path / "journal.db"
        data = bytearray(path.read_bytes())
        for at in range(4096, len(data), 4096):
            data[at] ^= 0xFF
        path.write_bytes(data)

    await anyio.to_thread.run_sync(flip)
    with pytest.raises(JournalCorruptError):
        async with opened(tmp_path):
            raise AssertionError("opened")


async def test_a_late_acknowledgement_ends_no_later_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.conclude(unknown(await journal.begin(SALE)))
        (first,) = await journal.owed(10)
        await journal.acknowledge(first, "00", NOW)
        await journal.conclude(unknown(await journal.begin(SALE)))
        await journal.acknowledge(first, "00", NOW)
        (second,) = await journal.owed(10)
        assert second.number != first.number


@pytest.mark.parametrize("ending", [Ending.UNKNOWN, Ending.APPROVED_OFFLINE])
async def test_doubt_that_owes_nothing_is_refused(tmp_path: Path, ending: Ending) -> None:
    async with opened(tmp_path) as journal:
        begun = await journal.begin(SALE)
        with pytest.raises(MisuseError):
            await journal.conclude(Conclusion(begun.key, ending, NOW))
        assert len(await journal.in_doubt()) == 1


async def test_a_void_of_what_is_not_there_is_refused_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        void = replace(SALE, kind=Kind.VOID, original=Key("12345678", 1, 99))
        begun = await journal.begin(void)
        with pytest.raises(MisuseError):
            await journal.conclude(approved(begun))
        assert (await journal.standing()).in_doubt == 1


async def test_the_start_key_of_the_chain_is_not_in_the_files(tmp_path: Path) -> None:
    async with opened(tmp_path) as journal:
        await journal.begin(SALE)
    files = await anyio.to_thread.run_sync(
        lambda: [path.read_bytes() for path in tmp_path.iterdir()]
    )
    assert not any(KEY in data for data in files)
