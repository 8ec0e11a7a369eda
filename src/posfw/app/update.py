"""Updates in the running terminal: may it now, check, install, prove the new slot, tell a return.

The installer (app/updater.py) writes; this part decides when, records, and marks good. A slot on
trial sells nothing: so its journal can be put back to the copy if it does not become good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from posfw.app.selftest import Selftest as BoardTest
from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.board.profile import BoardProfile
from posfw.journal.opening import SCHEMA_VERSION
from posfw.journal.store import Journal
from posfw.ports import Acquirer, Clock
from posfw.sale.limits import Refusal
from posfw.update.driver import ask, forget_copy, keep_journal
from posfw.update.machine import Progress as Way
from posfw.update.machine import Stage, fold, repaired
from posfw.update.policy import Situation, may_update
from posfw.values.errors import LinkError, PosfwError, RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.printjob import JobState

__all__ = ["SOCKET", "Slots", "Updates", "before_journal", "failed_steps", "installer_at"]

SOCKET: Final = "run/posfw-update/control.sock"
ECHO_S: Final = 600.0  # a line that is not up ten minutes after a start counts against the update
BETWEEN_S: Final = 5.0
Ask = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
Selftest = Callable[[], Awaitable[list[str]]]  # ids of the steps that failed


@dataclass(frozen=True, slots=True)
class Slots:
    """What the installer said; `slot` is "" on a board without slots, `tries` are the trial's."""

    slot: str = ""
    trial: str = ""
    version: str = ""
    tries: int = 0

    @property
    def on_trial(self) -> bool:
        """Whether this very program has to prove itself."""
        return bool(self.slot) and self.trial == self.slot

    @property
    def came_back(self) -> bool:
        """Whether another program was on trial and used its tries up; one never tried waits."""
        return bool(self.trial) and self.trial != self.slot and not self.tries


async def before_journal(state: Path, socket: Path) -> Slots:
    """Ask how the slots stand and bring the journal's file into this program's reach.

    A board without an installer has no slots, and its journal is left alone.

    Raises:
        JournalError: the journal cannot be read.
        DeviceError: there is an installer and it does not answer: what is on trial is not known.
    """
    if not await anyio.Path(socket).exists():
        return Slots()
    said = _result(await ask(socket, {"do": "status"}))
    trial = str(said["trial"])
    slots = Slots(str(said["slot"]), trial, str(said["version"]), said["left"].get(trial, 0))

    def keep() -> None:
        keep_journal(state, program=SCHEMA_VERSION, trial=slots.on_trial, failed=slots.came_back)

    await anyio.to_thread.run_sync(keep)
    return slots


@dataclass(slots=True)
class Updates:
    """Verbs, the trial's task, and the word that refuses sales meanwhile.

    Attributes:
        state: the state folder.
        slots: as found before the journal was opened.
        lock: the sales' own: no sale begins between the look and the record.
        installer: carries a request to root's side.
        selftest: runs the board's steps and returns which failed.
        may_talk: whether something may leave for the acquirer yet.
        busy: an installation runs.
    """

    journal: Journal
    acquirer: Acquirer
    clock: Clock
    state: Path
    slots: Slots
    lock: anyio.Lock
    installer: Ask
    selftest: Selftest
    may_talk: Callable[[], Awaitable[bool]]
    busy: bool = False
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    proved: anyio.Event = field(default_factory=anyio.Event)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the update verbs."""
        return {
            "update_status": self._status,
            "update_check": self._check,
            "update_install": self._install,
            "update_mark": self._mark,
        }

    def refusal(self) -> Refusal | None:
        """Return why nothing may be sold: the program is on trial, or another is being written."""
        if not self.busy and not self.slots.on_trial:
            return None
        return Refusal(
            "UPD-106",
            "The program is being replaced, or has to prove itself first.",
            "Wait, or see what is missing: posfw update status",
        )

    async def run(self) -> None:
        """Do what a start asks for; an installer that fails is a fault on record, not an end."""
        try:
            await self._started()
        except PosfwError as error:
            body: dict[str, Plain] = {"part": "update", "code": error.stable_code, "text": ""}
            await self.journal.append(Record(Topic.FAULT, "device", self.clock.now(), "", body))

    async def _started(self) -> None:
        """Bring records in step with the boot state; prove a trial, note a return, refill."""
        if not self.slots.slot:
            return
        way = await self._way()
        if missing := repaired(way, slot=self.slots.slot, trial=self.slots.trial):
            await self._record(missing, {"slot": way.slot, "version": way.version})
        if self.slots.came_back:
            # Recorded first: the boot state's trial is what brings us here again after a cut.
            await self._record("returned", {"slot": self.slots.trial, "version": way.version})
            _result(await self.installer({"do": "returned"}))
            self.slots = replace(self.slots, trial="")
        if not self.slots.on_trial:
            await self._keep()
            return
        if code := await self._prove():
            await self._record("trial", {"slot": self.slots.slot, "code": code})
            await self.installer({"do": "restart"})

    async def _prove(self) -> str:
        """Return "" once the slot is marked good, else the code of what failed."""
        if failed := await self.selftest():
            await self._record("selftest", {"failed": list(failed)})
            return "UPD-301"
        # Before the bank's information nothing may leave, so nothing can be asked either.
        if await self.may_talk() and not await self._echo():
            return "UPD-302"
        await self._keep()
        return ""

    async def _keep(self) -> None:
        """Mark the running slot good, which refills its tries; then nothing needs the copy."""
        floor = (await self._way()).counter
        said = _result(await self.installer({"do": "good", "floor": floor}))
        if self.slots.on_trial:
            body: dict[str, Plain] = {
                "slot": self.slots.slot,
                "version": self.slots.version,
                "counter": int(said["counter"]),
            }
            await self._record("good", body)
            self.slots = replace(self.slots, trial="")
        await anyio.to_thread.run_sync(forget_copy, self.state)
        self.proved.set()

    async def _echo(self) -> bool:
        """Return whether the acquirer answered within ECHO_S."""
        until = self.clock.monotonic() + ECHO_S
        while True:
            try:
                answer = await self.acquirer.call("echo", {})
            except LinkError:
                answer = {}
            if answer.get("response_code") == "00":
                return True
            if self.clock.monotonic() >= until:
                return False
            await self.sleep(BETWEEN_S)

    async def situation(self) -> Situation:
        """Return what of the terminal forbids an update now."""
        standing = await self.journal.standing()
        waiting = [JobState.QUEUED, JobState.PAUSED, JobState.PRINTING]
        jobs = [await self.journal.jobs(state) for state in waiting]
        owed = await self.journal.owed(1)
        return Situation(
            records=standing.records,
            in_doubt=standing.in_doubt,
            reversals=standing.reversals,
            unsent=max(standing.offline_count, len(owed) if not standing.reversals else 0),
            settling=standing.settling,
            jobs=sum(len(each) for each in jobs),
            unknown_prints=standing.unknown_prints,
            trial=self.busy or bool(self.slots.trial),
            behind=bool(self.journal.behind),
        )

    async def _way(self) -> Way:
        return fold(await self.journal.read(Topic.UPDATE))

    async def _record(self, name: str, body: Mapping[str, Plain], operator: str = "") -> None:
        await self.journal.append(
            Record(Topic.UPDATE, name, self.clock.now(), operator, dict(body))
        )

    async def _status(self, _: Body, __: Progress) -> Body:
        way = await self._way()
        slots = _result(await self.installer({"do": "status"}))
        forbids = may_update(await self.situation())
        return {
            "ok": True,
            **slots,
            "stage": way.stage.value,
            "bundle": way.version,
            "code": way.code,
            "forbids": list(forbids),
        }

    async def _check(self, body: Body, _: Progress) -> Body:
        name = text_of(body, "bundle")
        said = _result(await self.installer({"do": "check", "bundle": name}))
        await self._record("checked", {"version": str(said["version"])})
        return {"ok": True, **said}

    async def _install(self, body: Body, progress: Progress) -> Body:
        name, operator = text_of(body, "bundle"), operator_of(body, "01")
        async with self.lock:
            forbids = may_update(await self.situation())
            if forbids:
                raise RefusedError(
                    f"No update now: {', '.join(forbids)}.",
                    code=forbids[0],
                    next_step="Settle, let slips and messages out, try again: posfw update status",
                )
            self.busy = True
        try:
            return await self._written(name, operator, progress, restart=bool(body.get("restart")))
        finally:
            self.busy = False

    async def _written(
        self, name: str, operator: str, progress: Progress, *, restart: bool
    ) -> Body:
        said = _result(await self.installer({"do": "check", "bundle": name}))
        words: dict[str, Plain] = {"version": str(said["version"])}
        await self._record("checked", words, operator)
        await self._record("installing", words, operator)
        progress({"text": f"installing {said['version']} …"})
        try:
            done = _result(await self.installer({"do": "install", "bundle": name}))
        except PosfwError as error:
            await self._record("failed", words | {"code": error.stable_code}, operator)
            raise
        slot = str(done["slot"])
        await self._record("installed", words | {"slot": slot}, operator)
        # Another installation would take the slot out again that waits for its first start.
        self.slots = replace(self.slots, trial=slot, tries=int(done["tries"]))
        if restart:
            _result(await self.installer({"do": "restart"}))
        return {"ok": True, **done, "stage": Stage.PENDING.value, "restarting": restart}

    async def _mark(self, _: Body, __: Progress) -> Body:
        if not self.slots.slot:
            raise RefusedError("This board has no slots.", code="UPD-208")
        if self.slots.trial and not self.slots.on_trial:
            raise RefusedError("Another slot is on trial: restart into it.", code="UPD-106")
        code = await self._prove()
        if code:
            raise RefusedError("The slot did not prove itself.", code=code)
        return {"ok": True, "slot": self.slots.slot}


def installer_at(socket: Path) -> Ask:
    """Return what carries requests to the installer's socket."""
    return partial(ask, socket)


async def failed_steps(board: BoardProfile, state: Path, root: Path) -> list[str]:
    """Run the board's self-test; what needs a person is skipped and does not count."""
    steps = await BoardTest(board, state, root).run()
    return [step.id for step in steps if step.state == "fail"]


def _result(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer's result.

    Raises:
        RefusedError: the installer's error, with its code and words.
    """
    if "error" in body:
        error = body["error"]
        raise RefusedError(
            str(error["cause"]),
            code=str(error["code"]),
            effect=str(error["effect"]),
            next_step=str(error["next_step"]),
        )
    return dict(body["result"])
