from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from posfw.settle.schedule import Phase, Plan
from posfw.settle.task import keep_time, settle
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import CodecError, LinkError, RefusedError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Outcome
from posfw.values.transaction import Begun, Intent, Kind, Owed, OwedKind, State, Transaction

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)


HOST: dict[str, object] = {
    "response_code": "00",
    "debit_count": 0,
    "debit_minor": 0,
    "credit_count": 0,
    "credit_minor": 0,
}


def sale(stan: int, at: datetime = NOW) -> Transaction:
    intent = Intent(
        kind=Kind.SALE,
        amount=Money(1000),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"t" * 16,
        operator="01",
        at=at,
    )
    return Transaction(Begun(Key("12345678", 3, stan), stan, intent), State.APPROVED)


SALE = sale(1)


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return NOW


@dataclass
class FakeJournal:
    log: list[str] = field(default_factory=list)
    pending: tuple[Owed, ...] = ()
    closed: dict[str, object] = field(default_factory=dict)
    rows: list[Transaction] = field(default_factory=list)

    async def freeze(self, at: datetime) -> int:
        self.log.append("freeze")
        return 3

    async def transactions(self, batch: int | None = None) -> Sequence[Transaction]:
        return self.rows

    async def thaw(self, batch: int, reason: str, at: datetime) -> None:
        self.log.append(f"thaw {reason}")

    async def close(self, batch: int, result: Mapping[str, object], at: datetime) -> int:
        self.log.append("close")
        self.closed = dict(result)
        return batch + 1

    async def batches(self, limit: int) -> Sequence[Mapping[str, object]]:
        return []

    async def owed(self, limit: int, after: int = 0) -> Sequence[Owed]:
        return self.pending

    async def acknowledge(self, owed: Owed, code: str, at: datetime) -> None:
        raise AssertionError("settlement forwards nothing itself")

    reject = acknowledge

    async def clear(self, owed: Owed, operator: str, reason: str, at: datetime) -> None:
        raise AssertionError("settlement clears nothing")

    async def reserve_counters(self, count: int) -> int:
        raise AssertionError("settlement asks through the acquirer")

    async def changed(self) -> None:
        raise AssertionError("settlement waits for nothing")


@dataclass
class FakeAcquirer:
    answer: Mapping[str, object] | None
    upload: Mapping[str, object] | None = None
    host_time: str | None = None  # None: the echo stays without an answer
    asked: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        if message == "echo":
            if self.host_time is None:
                raise LinkError("silence")
            return {"response_code": "00", "host_time": self.host_time}
        assert fields["batch"] == 3
        self.asked.append((message, fields))
        answer = {"settle": self.answer, "upload": self.upload}[message]
        if answer is None:
            raise LinkError("silence")
        return answer

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        raise AssertionError("settlement authorises nothing")

    async def inquire(self, key: Key) -> Outcome:
        raise AssertionError("settlement inquires nothing")

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        raise AssertionError("settlement seals nothing")

    @property
    def online(self) -> bool:
        return True


async def test_a_balanced_batch_is_frozen_then_closed() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": []})
    result = await settle(journal, acquirer, journal, FixedClock())
    assert (result.balanced, result.next_batch) == (True, 4)
    assert journal.log == ["freeze", "close"]


async def test_what_is_owed_stops_a_settlement_and_not_the_selling() -> None:
    owed = Owed(1, OwedKind.ADVICE, Key("12345678", 3, 1))
    journal = FakeJournal(pending=(owed,))
    with pytest.raises(RefusedError):
        await settle(journal, FakeAcquirer(None), journal, FixedClock())
    assert journal.log == []


async def test_silence_leaves_the_batch_frozen_for_the_next_try() -> None:
    journal = FakeJournal()
    with pytest.raises(LinkError):
        await settle(journal, FakeAcquirer(None), journal, FixedClock())
    assert journal.log == ["freeze"]
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": []})
    assert (await settle(journal, acquirer, journal, FixedClock())).balanced


@pytest.mark.parametrize("records", [None, "x", [1], [[1, 2]], [[1, 2, "3"]]])
async def test_records_of_another_form_are_never_taken_for_balance(records: object) -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": records})
    with pytest.raises(CodecError):
        await settle(journal, acquirer, journal, FixedClock())
    assert "close" not in journal.log


async def test_a_difference_outweighs_the_acquirers_word() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": [[9, 100, 1]]})
    result = await settle(journal, acquirer, journal, FixedClock())
    assert not result.balanced
    assert journal.closed["differences"] == [[9, None, 100]]


async def test_a_refused_settlement_opens_the_batch_again_and_selling_goes_on() -> None:
    journal = FakeJournal()
    acquirer = FakeAcquirer({**HOST, "result": 1, "records": [], "response_code": "97"})
    with pytest.raises(RefusedError) as refused:
        await settle(journal, acquirer, journal, FixedClock())
    assert refused.value.stable_code == "SET-122"
    assert journal.log == ["freeze", "thaw 97"]


async def test_other_totals_at_the_acquirer_are_never_balance_and_records_are_uploaded() -> None:
    journal = FakeJournal(rows=[SALE])
    acquirer = FakeAcquirer(
        {**HOST, "result": 2}, upload={"response_code": "00", "records": [[1, 999, 1]]}
    )
    result = await settle(journal, acquirer, journal, FixedClock())
    assert not result.balanced
    assert acquirer.asked[1] == (
        "upload",
        {"batch": 3, "records": [[1, 1000, 1]], "count": 1, "last": True},
    )
    assert journal.closed["differences"] == [[1, 1000, 999]]
    assert journal.closed["compared"] is True


async def test_five_hundred_and_one_records_go_in_two_messages() -> None:
    journal = FakeJournal(rows=[sale(stan) for stan in range(1, 502)])
    acquirer = FakeAcquirer({**HOST, "result": 2}, upload={"response_code": "00", "records": []})
    await settle(journal, acquirer, journal, FixedClock())
    assert [(len(f["records"]), f["last"]) for _, f in acquirer.asked[1:]] == [  # type: ignore[arg-type]  # a list
        (500, False),
        (1, True),
    ]


async def test_refused_records_close_the_batch_unbalanced_instead_of_stopping_the_shop() -> None:
    journal = FakeJournal(rows=[SALE])
    acquirer = FakeAcquirer({**HOST, "result": 2}, upload={"response_code": "96"})
    result = await settle(journal, acquirer, journal, FixedClock())
    assert (result.balanced, journal.closed["compared"]) == (False, False)
    assert journal.log == ["freeze", "close"]


async def test_records_of_the_first_answer_count_where_the_upload_tells_none() -> None:
    journal = FakeJournal(rows=[SALE])
    told = {**HOST, "result": 2, "records": [[1, 999, 1]]}
    for upload in ({"response_code": "00", "received": 1}, {"response_code": "96"}):
        result = await settle(journal, FakeAcquirer(told, upload), journal, FixedClock())
        assert [d.theirs_minor for d in result.differences] == [999]
        assert journal.closed["compared"] is True


async def test_a_batch_that_the_bank_closed_before_is_fetched_and_closed() -> None:
    journal = FakeJournal(rows=[SALE])
    acquirer = FakeAcquirer(
        {"response_code": "94"}, upload={"response_code": "00", "records": [[1, 1000, 1]]}
    )
    assert (await settle(journal, acquirer, journal, FixedClock())).balanced


async def test_silence_to_the_records_leaves_the_batch_frozen_for_the_next_try() -> None:
    journal = FakeJournal(rows=[SALE])
    acquirer = FakeAcquirer({**HOST, "result": 2})
    with pytest.raises(LinkError):
        await settle(journal, acquirer, journal, FixedClock())
    assert journal.log == ["freeze"]
    acquirer.upload = {"response_code": "00", "records": [[1, 1000, 1]]}
    assert not (await settle(journal, acquirer, journal, FixedClock())).differences


async def test_a_clock_behind_the_records_freezes_nothing() -> None:
    journal = FakeJournal(rows=[sale(1, at=NOW + timedelta(hours=1))])
    with pytest.raises(RefusedError) as refused:
        await settle(journal, FakeAcquirer(None), journal, FixedClock())
    assert refused.value.stable_code == "SET-126"
    assert journal.log == []


@pytest.mark.parametrize(
    ("host_time", "settles"),
    [("20260302200959", True), ("20260302205959", False), ("noon", False), ("", False)],
)
async def test_a_clock_that_the_acquirer_confirms_settles_records_of_a_wrong_one(
    host_time: str, *, settles: bool
) -> None:
    """Sold while the clock was an hour ahead; now it is right again."""
    journal = FakeJournal(rows=[sale(1, at=NOW + timedelta(hours=1))])
    acquirer = FakeAcquirer({**HOST, "result": 2}, host_time=host_time)
    acquirer.upload = {"response_code": "00", "records": [[1, 1000, 1]]}
    if settles:
        assert not (await settle(journal, acquirer, journal, FixedClock())).differences
        assert journal.log == ["freeze", "close"]
    else:
        with pytest.raises(RefusedError) as refused:
            await settle(journal, acquirer, journal, FixedClock())
        assert refused.value.stable_code == "SET-126"
        assert journal.log == []


async def test_the_schedule_settles_and_waits_and_tries_again() -> None:
    due, wait = (
        Plan(Phase.DUE, NOW.replace(tzinfo=None)),
        Plan(Phase.WAIT, NOW.replace(tzinfo=None)),
    )
    plans = [(wait, 0.0), (due, 5.0), (due, 5.0), (wait, 0.0)]
    runs: list[Plan] = []
    told: list[tuple[Phase, bool]] = []

    class EnoughError(Exception):
        pass

    async def look() -> tuple[Plan, float]:
        if not plans:
            raise EnoughError
        return plans.pop(0)

    async def run(plan: Plan) -> None:
        runs.append(plan)

    with pytest.raises(EnoughError):
        await keep_time(look, run, lambda plan, why: told.append((plan.phase, bool(why))))
    assert runs == [due, due]
    assert told == [
        (Phase.WAIT, False),
        (Phase.DUE, False),
        (Phase.DUE, False),
        (Phase.WAIT, False),
    ]


async def test_a_failed_run_is_told_and_waits_instead_of_hammering(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("posfw.settle.task.RETRY_S", 0.0)
    due = Plan(Phase.DUE, NOW.replace(tzinfo=None))
    told: list[str] = []
    looks = iter([(due, 5.0), (due, 5.0)])

    async def look() -> tuple[Plan, float]:
        for each in looks:
            return each
        await anyio.sleep_forever()
        raise AssertionError

    async def run(plan: Plan) -> None:
        raise LinkError("line down")

    async with anyio.create_task_group() as group:
        group.start_soon(keep_time, look, run, lambda _, why: told.append(why))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert [bool(why) for why in told] == [False, True, False, True]
    assert "line down" in told[1]
