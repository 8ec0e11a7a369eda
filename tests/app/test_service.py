from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from posfw.app.liveness import Liveness
from posfw.app.service import Service
from posfw.board.driver.notify import ServiceManager
from posfw.values.errors import MisuseError


class HandClock:
    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime(2026, 3, 2, tzinfo=UTC)


class Spy(ServiceManager):
    def __init__(self, watchdog_s: float = 9.0) -> None:
        super().__init__({"WATCHDOG_USEC": str(int(watchdog_s * 1e6))})
        self.sent: list[str] = []

    def send(self, **fields: str) -> bool:
        self.sent.append(" ".join(f"{key}={value}" for key, value in fields.items()))
        return True


def test_an_idle_part_is_not_stuck_and_a_busy_one_is_after_its_limit() -> None:
    clock = HandClock()
    liveness = Liveness(clock)
    with liveness.part("journal", limit_s=5), liveness.part("uplink", limit_s=40):
        clock.at += 1000
        assert liveness.stuck() == []
        with liveness.work("journal"), liveness.work("uplink"):
            clock.at += 5
            assert liveness.stuck() == []
            clock.at += 1
            assert liveness.stuck() == ["journal busy for 6 s"]
        assert liveness.stuck() == []


def test_the_oldest_of_overlapping_work_counts() -> None:
    clock = HandClock()
    liveness = Liveness(clock)
    with liveness.part("uplink", limit_s=5), liveness.work("uplink"):
        clock.at += 4
        with liveness.work("uplink"):
            clock.at += 2
            assert liveness.stuck() == ["uplink busy for 6 s"]


def test_a_part_that_died_stays_told_until_it_runs_again() -> None:
    liveness = Liveness(HandClock())
    with pytest.raises(ValueError, match="x"), liveness.part("card", limit_s=5):
        raise ValueError("x")
    assert liveness.stuck() == ["card ended"]
    with liveness.part("card", limit_s=5):
        assert liveness.stuck() == []
    assert liveness.stuck() == []


def test_two_parts_of_one_name_are_a_defect() -> None:
    liveness = Liveness(HandClock())
    with liveness.part("card", 5), pytest.raises(MisuseError), liveness.part("card", 5):
        pass


async def test_the_watchdog_is_fed_only_while_nothing_is_stuck() -> None:
    clock, spy = HandClock(), Spy()
    liveness = Liveness(clock)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.at += seconds
        if len(waits) == 4:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    service = Service(liveness, lambda: "takes cards", spy, sleep)
    with liveness.part("journal", limit_s=5), liveness.work("journal"):
        async with anyio.create_task_group() as group:
            group.start_soon(service.run)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    assert waits == [3.0] * 4
    assert spy.sent == [
        "READY=1 STATUS=takes cards",
        "WATCHDOG=1",
        "WATCHDOG=1",
        "STATUS=stuck: journal busy for 6 s",
        "STATUS=stuck: journal busy for 9 s",
        "STOPPING=1",
    ]


async def test_where_nobody_watches_it_says_ready_and_ends() -> None:
    spy = Spy(0)
    await Service(Liveness(HandClock()), lambda: "takes cards", spy).run()
    assert spy.sent == ["READY=1 STATUS=takes cards"]


async def test_a_probe_that_hangs_stops_the_feeding() -> None:
    clock, spy = HandClock(), Spy()
    rounds = 0

    async def sleep(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        clock.at += seconds
        if rounds == 6:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    service = Service(Liveness(clock), lambda: "", spy, sleep, probe=anyio.sleep_forever)
    async with anyio.create_task_group() as group:
        group.start_soon(service.run)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    stuck = [at for at, line in enumerate(spy.sent) if line.startswith("STATUS=stuck: journal")]
    assert stuck
    assert "WATCHDOG=1" in spy.sent[: stuck[0]]
    assert "WATCHDOG=1" not in spy.sent[stuck[0] :]


async def test_a_probe_that_answers_is_asked_again_and_again() -> None:
    clock, spy = HandClock(), Spy()
    asked = 0

    async def probe() -> None:
        nonlocal asked
        asked += 1

    async def sleep(seconds: float) -> None:
        clock.at += seconds / 2
        if asked > 4:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    service = Service(Liveness(clock), lambda: "", spy, sleep, probe=probe)
    async with anyio.create_task_group() as group:
        group.start_soon(service.run)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert asked == 5
    assert not [line for line in spy.sent if "stuck" in line]


async def test_the_journal_is_asked_once_in_a_period_and_the_manager_fed_three_times() -> None:
    clock, spy = HandClock(), Spy(9.0)
    order: list[str] = []

    async def probe() -> None:
        order.append("asked")

    async def sleep(seconds: float) -> None:
        order.append(f"sleeps {seconds}")
        if order.count("sleeps 3.0") == 7:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    service = Service(Liveness(clock), lambda: "", spy, sleep, probe=probe)
    async with anyio.create_task_group() as group:
        group.start_soon(service.run)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert spy.sent.count("WATCHDOG=1") == order.count("sleeps 3.0") == 7
    assert order.count("asked") == 3
    assert len(order) == 10
