from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from posfw.app.update import Slots, Updates, before_journal
from posfw.journal.opening import SCHEMA_VERSION
from posfw.journal.store import Journal
from posfw.update.driver import COPY
from posfw.update.machine import fold
from posfw.values.errors import PosfwError
from posfw.values.events import Topic
from tests.app.fakes import ScriptedAcquirer, SetClock, do, opened, sold

STATUS = {"slot": "A", "trial": "", "version": "0.1.0", "left": {"A": 3, "B": 3}}
STEADY = Slots("A")
DONE = {"slot": "B", "tries": 3, "version": "0.2.0"}


@dataclass
class FakeInstaller:
    """Answers as root's side does; `refuse` is the code of a request that fails."""

    refuse: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: Mapping[str, Any]) -> dict[str, Any]:
        verb = str(request["do"])
        self.asked.append(verb)
        if verb in self.refuse:
            words = dict.fromkeys(("cause", "effect", "next_step"), "…")
            return {"error": {"code": self.refuse[verb], "exit": 4, **words}}
        table: dict[str, Any] = {
            "status": STATUS,
            "check": {"version": "0.2.0"},
            "install": DONE,
            "good": {"counter": 5, "order": ["A"]},
        }
        return {"result": table.get(verb, {})}


@dataclass
class Bench:
    updates: Updates
    journal: Journal
    installer: FakeInstaller
    clock: SetClock
    slept: list[float]

    async def names(self) -> list[str]:
        return [record.name for record in await self.journal.read(Topic.UPDATE)]


@asynccontextmanager
async def bench(
    folder: Path, slots: Slots = STEADY, *, failed: tuple[str, ...] = (), echo: str = "00",
    refuse: Mapping[str, str] | None = None, may_talk: bool = True,
) -> AsyncIterator[Bench]:  # fmt: skip
    clock = SetClock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.seconds += seconds

    async def selftest() -> list[str]:
        return list(failed)

    async def talk() -> bool:
        return may_talk

    async with opened(folder, clock) as journal:
        installer = FakeInstaller(refuse or {})
        answers: dict[str, Mapping[str, object]] = {}
        if echo:
            answers["echo"] = {"response_code": echo}
        updates = Updates(
            journal=journal,
            acquirer=ScriptedAcquirer(answers),
            clock=clock,
            state=folder,
            slots=slots,
            lock=anyio.Lock(),
            installer=installer,
            selftest=selftest,
            may_talk=talk,
            sleep=sleep,
        )
        yield Bench(updates, journal, installer, clock, slept)


async def code_of(updates: Updates, verb: str, **fields: object) -> str:
    with pytest.raises(PosfwError) as refused:
        await do(updates, verb, **fields)
    return refused.value.stable_code


async def test_an_installation_is_recorded_step_by_step(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        found = await do(b.updates, "update_install", bundle="x.raucb", restart=True)
        assert (found["slot"], found["stage"], found["restarting"]) == ("B", "pending", True)
        assert await b.names() == ["checked", "installing", "installed"]
        assert b.installer.asked == ["check", "install", "restart"]
        assert b.updates.refusal() is None
        assert await code_of(b.updates, "update_install", bundle="x.raucb") == "UPD-106"


async def test_an_open_batch_forbids_it_before_anything_is_asked(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await sold(b.journal, 1000)
        assert await code_of(b.updates, "update_install", bundle="x.raucb") == "UPD-101"
        assert b.installer.asked == []
        assert "UPD-101" in (await do(b.updates, "update_status"))["forbids"]


async def test_nothing_is_sold_while_it_writes(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        seen: list[str] = []
        ask = b.updates.installer

        async def watching(request: Mapping[str, Any]) -> dict[str, Any]:
            refusal = b.updates.refusal()
            seen.append(refusal.code if refusal else "")
            return await ask(request)

        b.updates.installer = watching
        await do(b.updates, "update_install", bundle="x.raucb")
        assert seen == ["UPD-106", "UPD-106"]
        assert b.updates.refusal() is None


async def test_a_sale_under_way_is_waited_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        async with anyio.create_task_group() as group:
            await b.updates.lock.acquire()
            group.start_soon(lambda: do(b.updates, "update_install", bundle="x.raucb"))
            await anyio.wait_all_tasks_blocked()
            assert b.installer.asked == []
            b.updates.lock.release()
        assert "install" in b.installer.asked


async def test_a_failed_installation_is_over(tmp_path: Path) -> None:
    async with bench(tmp_path, refuse={"install": "UPD-210"}) as b:
        assert await code_of(b.updates, "update_install", bundle="x.raucb") == "UPD-210"
        assert await b.names() == ["checked", "installing", "failed"]
        assert b.updates.refusal() is None


async def test_a_trial_is_proved_before_it_sells(tmp_path: Path) -> None:
    (tmp_path / COPY).write_bytes(b"copy")
    async with bench(tmp_path, Slots("B", "B", "0.2.0", 2)) as b:
        refusal = b.updates.refusal()
        assert refusal is not None
        assert refusal.code == "UPD-106"
        await b.updates.run()
        assert b.installer.asked == ["good"]
        assert await b.names() == ["good"]
        assert b.updates.refusal() is None
        assert not (tmp_path / COPY).exists()
        assert fold(await b.journal.read(Topic.UPDATE)).counter == 5


async def test_a_failed_self_test_restarts_and_marks_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, Slots("B", "B", "0.2.0", 2), failed=("head",)) as b:
        await b.updates.run()
        assert b.installer.asked == ["restart"]
        assert await b.names() == ["selftest", "trial"]
        assert b.updates.refusal() is not None


@pytest.mark.parametrize("echo", ["", "96"])
async def test_a_line_that_stays_silent_counts_against_it(tmp_path: Path, echo: str) -> None:
    async with bench(tmp_path, Slots("B", "B", "0.2.0", 2), echo=echo) as b:
        await b.updates.run()
        assert b.installer.asked == ["restart"]
        assert sum(b.slept) == 600
        assert (await b.journal.read(Topic.UPDATE))[-1].body["code"] == "UPD-302"


async def test_before_the_banks_information_no_echo_is_asked(tmp_path: Path) -> None:
    async with bench(tmp_path, Slots("B", "B", "0.2.0", 2), echo="", may_talk=False) as b:
        await b.updates.run()
        assert b.installer.asked == ["good"]


async def test_a_return_is_recorded_before_the_boot_state_forgets_it(tmp_path: Path) -> None:
    async with bench(tmp_path, Slots("A", "B", "0.1.0", 0)) as b:
        await b.updates.run()
        assert b.installer.asked == ["returned", "good"]
        assert await b.names() == ["returned"]


async def test_a_slot_that_waits_for_its_first_start_did_not_return(tmp_path: Path) -> None:
    """The terminal's process alone was restarted after an installation."""
    async with bench(tmp_path, Slots("A", "B", "0.1.0", 3)) as b:
        await b.updates.run()
        assert b.installer.asked == ["good"]
        assert await b.names() == []
        assert await code_of(b.updates, "update_mark") == "UPD-106"


async def test_an_everyday_start_refills_its_tries(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.updates.run()
        assert b.installer.asked == ["good"]
        assert await b.names() == []


async def test_an_installer_that_fails_is_a_fault_and_not_the_end(tmp_path: Path) -> None:
    async with bench(tmp_path, refuse={"good": "UPD-207"}) as b:
        await b.updates.run()
        faults = await b.journal.read(Topic.FAULT)
        assert [fault.body["code"] for fault in faults] == ["UPD-207"]


async def test_a_board_without_slots_says_so(tmp_path: Path) -> None:
    async with bench(tmp_path, Slots()) as b:
        await b.updates.run()
        assert b.installer.asked == []
        assert await code_of(b.updates, "update_mark") == "UPD-208"


async def test_a_mark_by_hand_proves_first(tmp_path: Path) -> None:
    async with bench(tmp_path, Slots("B", "B", "0.2.0", 2), failed=("head",)) as b:
        assert await code_of(b.updates, "update_mark") == "UPD-301"
        assert b.installer.asked == []


async def test_checking_writes_nothing_but_its_record(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert (await do(b.updates, "update_check", bundle="x.raucb"))["version"] == "0.2.0"
        assert await b.names() == ["checked"]
        assert b.installer.asked == ["check"]


@asynccontextmanager
async def installer_socket(path: Path, answer: Mapping[str, Any]) -> AsyncIterator[None]:
    listener = await anyio.create_unix_listener(path)

    async def client(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(json.dumps(answer).encode() + b"\n")

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, client)
        yield
        group.cancel_scope.cancel()


async def test_no_installer_no_slots(tmp_path: Path) -> None:
    assert await before_journal(tmp_path, tmp_path / "none.sock") == Slots()


async def test_a_newer_journal_after_a_failed_trial_is_put_back_and_opens(tmp_path: Path) -> None:
    """The real journal: copied by a newer program, migrated, put back, opened by this one."""
    clock = SetClock()
    async with opened(tmp_path, clock) as journal:
        key = await sold(journal, 1000)
    path = tmp_path / "journal.db"

    def become(version: int) -> None:
        import sqlite3  # noqa: PLC0415 - plays the newer program

        with sqlite3.connect(path) as raw:
            raw.execute(f"PRAGMA user_version={version}")
        raw.close()

    from posfw.update.driver import keep_journal  # noqa: PLC0415 - plays the newer program

    def newer() -> None:
        keep_journal(tmp_path, program=SCHEMA_VERSION + 1, trial=True, failed=False)
        become(SCHEMA_VERSION + 1)

    await anyio.to_thread.run_sync(newer)
    with pytest.raises(PosfwError):
        async with opened(tmp_path, clock):
            pass
    told = {"result": {**STATUS, "trial": "B", "left": {"A": 3, "B": 0}}}
    async with installer_socket(tmp_path / "i.sock", told):
        slots = await before_journal(tmp_path, tmp_path / "i.sock")
    assert slots.came_back
    async with opened(tmp_path, clock) as journal:
        assert await journal.transaction(key) is not None
