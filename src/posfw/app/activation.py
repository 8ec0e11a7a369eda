"""Activation at the terminal: each verb does one step and records it; the journal is the state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import anyio

from posfw.activate import machine
from posfw.activate.machine import Activation, Gates, State, Step
from posfw.app.later import lazily
from posfw.app.operators import Operators
from posfw.app.parameters import Parameters
from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.journal.store import Journal
from posfw.ports import Acquirer, Clock, Random
from posfw.sale.limits import Refusal
from posfw.staff.operators import Action
from posfw.values.errors import CodecError, ConfigError, InputError, LinkError, RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.identity import MerchantId, TerminalId

if TYPE_CHECKING:
    from posfw.activate import acceptance, bundle, profile, typed
    from posfw.crypto.sign1 import PublicKey, Signer
else:
    acceptance = lazily("posfw.activate.acceptance")
    bundle = lazily("posfw.activate.bundle")
    typed = lazily("posfw.activate.typed")

__all__ = ["Activations", "Device", "TryRound"]

# Does one acceptance round and says whether it passed and what was seen.
TryRound: TypeAlias = "Callable[[acceptance.Task, profile.Profile], Awaitable[tuple[bool, str]]]"
Check = Callable[[], Awaitable[Mapping[str, bool]]]


@dataclass(frozen=True, slots=True)
class Device:
    """What the activation file says about this device."""

    serial: str
    board: str
    versions: Mapping[str, str]
    signer: Signer = field(repr=False)


@dataclass(slots=True, eq=False, repr=False)
class Activations:
    """Verbs over the ACTIVATION topic.

    Attributes:
        journal: records, and the last closed batch for yesterday's amount.
        acquirer: the line, used from ISSUED on.
        operators: 99 approves the steps that change what the terminal may do.
        device: identity and device key.
        profiles: acquirers by id (`app.acquirers.load_profiles`).
        bank_key: gives the key that signs the bank's answers; None where none is installed.
        check: hardware and stability check; id to passed.
        try_round: does one acceptance round.
        parameters: loads what the acquirer sends.
        pre_activated: the site file says that this is a demonstration (host board).
    """

    journal: Journal
    acquirer: Acquirer
    operators: Operators
    clock: Clock
    random: Random
    device: Device
    profiles: Mapping[str, profile.Profile]
    bank_key: Callable[[], PublicKey] | None
    check: Check
    try_round: TryRound
    parameters: Parameters
    pre_activated: bool = False
    _gate: anyio.Lock = field(default_factory=anyio.Lock)
    _moved: anyio.Event = field(default_factory=anyio.Event)
    _folded: Activation | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the activation verbs: `activate_` and the step's name."""
        return {
            "activate_status": self._status,
            "activate_profile": self._profile,
            "activate_check": self._check,
            "activate_paper": self._paper,
            "activate_apply": self._apply,
            "activate_issued": self._issued,
            "activate_export": self._export,
            "activate_submitted": self._submitted,
            "activate_import": self._import,
            "activate_typed": self._typed,
            "activate_online": self._online,
            "activate_confirm": self._confirm,
            "activate_provision": self._provision,
            "activate_test": self._test,
            "activate_live": self._live,
            "activate_move": self._move,
        }

    async def state(self) -> Activation:
        """Return how the activation stands."""
        if self._folded is None:  # asked before every sale; only `_record` adds to the topic
            self._folded = machine.fold(await self.journal.read(Topic.ACTIVATION))
        return self._folded

    async def refusal(self) -> Refusal | None:
        """Return why no live sale may begin, or None."""
        state = (await self.state()).state
        if state.may_sell or (self.pre_activated and state is State.FACTORY):
            return None
        return Refusal(
            "ACT-101", f"The terminal is not active: {state.value}.", "posfw activate status"
        )

    async def may_talk(self) -> bool:
        """Whether anything may leave for the acquirer now."""
        return self.pre_activated or (await self.state()).state.may_talk

    async def until_talk(self, *, allowed: bool) -> None:
        """Return once something may leave for the acquirer, or no longer may."""
        while True:
            moved = self._moved
            if await self.may_talk() is allowed:
                return
            await moved.wait()

    async def yesterday_minor(self) -> int:
        """Return the last closed batch's debits less credits; 0 if none was ever closed."""
        newest = list(await self.journal.batches(1))
        if not newest:
            return 0
        debit, credit = newest[0].get("debit_minor", 0), newest[0].get("credit_minor", 0)
        return (debit if isinstance(debit, int) else 0) - (
            credit if isinstance(credit, int) else 0
        )

    def _chosen(self, name: str) -> profile.Profile:
        if name not in self.profiles:
            raise InputError(
                f"There is no acquirer {name[:20]!r}; known are: {', '.join(self.profiles)}.",
                code="ACT-220",
            )
        return self.profiles[name]

    async def _gates(self, activation: Activation) -> Gates:
        chosen = self._chosen(activation.profile) if activation.profile else None
        standing = await self.journal.standing()
        return Gates(
            papers=chosen.papers if chosen else (),
            defaults_left=(await self.operators.staff()).defaults_left,
            round_kinds=acceptance.SETTLED,
            rounds=chosen.rounds if chosen else 0,
            unsettled=standing.records,
        )

    async def _record(
        self, step: Step, body: Mapping[str, Plain], operator: str = ""
    ) -> Activation:
        """Check, append, and return how it stands now; the caller holds the gate."""
        activation = await self.state()
        machine.check(activation, step, await self._gates(activation))
        record = Record(Topic.ACTIVATION, step.value, self.clock.now(), operator, body)
        try:
            await self.journal.append(record)
        finally:
            self._folded = None  # also after a cancellation: the record may be there
        moved, self._moved = self._moved, anyio.Event()
        moved.set()
        return await self.state()

    async def _step(self, step: Step, body: Mapping[str, Plain], operator: str = "") -> Body:
        async with self._gate:
            now = await self._record(step, body, operator)
        return {"ok": True, "state": now.state.value}

    async def _approved(self, body: Body, subject: str) -> str:
        return (await self.operators.approve(body, Action.ACTIVATE, subject)).operator

    async def _status(self, _: Body, __: Progress) -> Body:
        activation = await self.state()
        gates = await self._gates(activation)
        possible, waiting = [], {}
        for step, moves in machine.MOVES.items():
            if activation.state in moves:
                try:
                    machine.check(activation, step, gates)
                    possible.append(step.value)
                except RefusedError as refused:
                    waiting[step.value] = refused.cause
        chosen = self._chosen(activation.profile) if activation.profile else None
        now = self.clock.now()
        age_h = (now - activation.since).total_seconds() / 3600 if activation.since else 0.0
        return {
            "ok": True,
            "state": activation.state.value,
            "may_sell": (await self.refusal()) is None,
            "epoch": activation.epoch,
            "age_h": round(age_h, 1),
            "profile": activation.profile,
            "terminal": activation.terminal,
            "merchant": activation.merchant,
            "possible": possible,
            "waiting": waiting,
            "papers": [
                {**asdict(paper), "reference": activation.papers.get(paper.id, "")}
                for paper in (chosen.papers if chosen else ())
            ],
            "steps": [asdict(step) for step in (chosen.steps if chosen else ())],
            "rounds": [asdict(each) for each in activation.rounds],
            "hotline": chosen.hotline if chosen else "",
            "manual": chosen.manual if chosen else "",
        }

    async def _profile(self, body: Body, _: Progress) -> Body:
        chosen = self._chosen(text_of(body, "profile"))
        return await self._step(Step.PROFILE, {"profile": chosen.id})

    async def _check(self, _: Body, __: Progress) -> Body:
        """Hardware and stability, before anything else (S65, S80)."""
        results = dict(await self.check())
        passed = bool(results) and all(results.values())
        body: dict[str, Plain] = {"passed": passed, "results": results}
        return {**await self._step(Step.CHECKED, body), "ok": passed, "results": results}

    async def _paper(self, body: Body, _: Progress) -> Body:
        activation = await self.state()
        wanted, reference = text_of(body, "paper"), text_of(body, "reference").strip()
        known = self._chosen(activation.profile).papers if activation.profile else ()
        if wanted not in {paper.id for paper in known} or not reference:
            raise InputError(
                f"Papers of this acquirer are: {', '.join(p.id for p in known) or 'none yet'};"
                " each needs a reference.",
                code="ACT-221",
            )
        return await self._step(Step.PAPER, {"paper": wanted, "reference": reference[:80]})

    async def _apply(self, body: Body, _: Progress) -> Body:
        """申请: what was applied for is kept with its date (S9)."""
        application = body.get("application")
        if not isinstance(application, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) and v.strip() for k, v in application.items()
        ):
            raise CodecError("`application` is a table of filled-in texts.")
        missing = {"account_name", "merchant_name"} - application.keys()
        if missing:
            raise InputError(
                f"The application lacks {', '.join(sorted(missing))}.", code="ACT-222"
            )
        kept: dict[str, Plain] = {k: str(v)[:200] for k, v in application.items()}
        done = await self._step(Step.APPLIED, {"application": kept})
        return {**done, "application": kept}

    async def _issued(self, body: Body, _: Progress) -> Body:
        """下发: numbers of the bank, and the activation card's code (S4, S56)."""
        terminal = TerminalId(text_of(body, "terminal")).value
        merchant = MerchantId(text_of(body, "merchant")).value
        operator = await self._approved(body, terminal)
        card = text_of(body, "card").strip()[:40]
        if not card:
            raise InputError("The activation card has a code.", code="ACT-223")
        fields = {"terminal": terminal, "merchant": merchant, "card": card}
        return await self._step(Step.ISSUED, fields, operator)

    async def _export(self, _: Body, __: Progress) -> Body:
        """激活文件: signed, versioned by its digest; exporting again makes a new one."""
        async with self._gate:
            file, digest = await self._new_request()
        return {"ok": True, "file": file.hex(), "digest": digest.hex(), "bytes": len(file)}

    async def _new_request(self) -> tuple[bytes, bytes]:
        activation = await self.state()
        machine.check(activation, Step.EXPORTED, await self._gates(activation))
        now = self.clock.now()
        request = bundle.Request(
            terminal=activation.terminal,
            merchant=activation.merchant,
            serial=self.device.serial,
            board=self.device.board,
            versions=self.device.versions,
            self_test=await self.check(),
            account={k: str(v) for k, v in activation.application.items()},
            nonce=self.random.token(16),
            made_at=now.strftime("%Y%m%d%H%M%S"),
            epoch=activation.epoch,
            key=self.device.signer.public,
        )
        file = bundle.seal_request(request, self.device.signer)
        digest = bundle.digest(file)
        await self._record(Step.EXPORTED, {"digest": digest, "file": file})
        return file, digest

    async def _submitted(self, _: Body, __: Progress) -> Body:
        activation = await self.state()
        return await self._step(Step.SUBMITTED, {"digest": activation.request_digest})

    async def _import(self, body: Body, _: Progress) -> Body:
        try:
            file = bytes.fromhex(text_of(body, "file"))
        except ValueError as error:
            raise CodecError("`file` is hexadecimal.") from error
        async with self._gate:
            return await self._take(file)

    async def _typed(self, body: Body, _: Progress) -> Body:
        """The answer as it was typed from a letter; verified and compared like a file (S72)."""
        text = text_of(body, "groups")
        async with self._gate:
            if self.bank_key is None:
                raise ConfigError("No key of the bank is installed.", code="ACT-122")
            expected = await self._expected(await self.state())
            return await self._take(typed.assembled(text, expected, self.bank_key()))

    async def _online(self, body: Body, _: Progress) -> Body:
        """Activation by code: the same file and the same signed answer, over the line."""
        code = text_of(body, "code").strip()
        async with self._gate:
            file, _digest = await self._new_request()
            answer = await self.acquirer.call("activation", {"code": code, "request": file})
            if answer.get("response_code") != "00":
                raise RefusedError(
                    f"The acquirer refused the code: {answer.get('response_code')}.",
                    code="ACT-120",
                    next_step="Check the code, or export the activation file.",
                )
            told = answer.get("answer")
            if not isinstance(told, bytes):
                raise LinkError("The acquirer's answer holds no activation.", code="ACT-121")
            return await self._take(told)

    async def _expected(self, activation: Activation) -> bundle.Expected:
        return bundle.Expected(
            request=activation.request_digest,
            terminal=activation.terminal,
            merchant=activation.merchant,
            serial=self.device.serial,
            today=self.clock.now().date(),
            yesterday_minor=await self.yesterday_minor(),
            used=activation.used_answers,
        )

    async def _take(self, file: bytes) -> Body:
        """Verify, compare, record; nothing but a fitting answer advances (S71)."""
        if self.bank_key is None:
            raise ConfigError("No key of the bank is installed.", code="ACT-122")
        activation = await self.state()
        machine.check(activation, Step.ANSWERED, await self._gates(activation))
        answer = bundle.open_answer(file, self.bank_key())
        expected = await self._expected(activation)
        digest = bundle.digest(file)
        found = bundle.mismatches(answer, digest, expected)
        shown: dict[str, str | int] = {
            "terminal": answer.terminal,
            "day": answer.day,
            "yesterday_minor": answer.yesterday_minor,
        }
        if found:
            codes: list[Plain] = [each.code for each in found]
            await self._record(Step.MISMATCHED, {"digest": digest, "codes": codes})
            told = "; ".join(f"{m.item}: {m.told}, expected {m.expected}" for m in found)
            raise RefusedError(
                f"The bank's answer does not fit: {told}.",
                code=found[0].code,
                effect="The terminal stays as it is.",
                next_step="Check clock and numbers; ask the bank for a new answer.",
            )
        body: dict[str, Plain] = {
            "digest": digest,
            "parameters": dict(answer.parameters),
            **shown,
        }
        now = await self._record(Step.ANSWERED, body)
        return {"ok": True, "state": now.state.value, **shown}

    async def _confirm(self, body: Body, _: Progress) -> Body:
        """核实: a person compared number, date and amount as well (S77)."""
        operator = await self._approved(body, "confirm")
        return await self._step(Step.CONFIRMED, {}, operator)

    async def _provision(self, _: Body, progress: Progress) -> Body:
        """Sign on and load parameters over the line; only a complete load counts."""
        async with self._gate:
            activation = await self.state()
            machine.check(activation, Step.PROVISIONED, await self._gates(activation))
            loaded: dict[str, Plain] = {}
            for message in ("sign_on", "parameters"):
                progress({"screen": "provisioning", "text": message})
                code = await self._loaded(message)
                if code != "00":
                    raise RefusedError(f"The acquirer refused {message}: {code}.", code="ACT-123")
                loaded[message] = code
            signed_on = Record(Topic.SESSION, "signed_on", self.clock.now())
            await self.journal.append(signed_on)
            now = await self._record(Step.PROVISIONED, {"loaded": loaded})
        return {"ok": True, "state": now.state.value}

    async def _loaded(self, message: str) -> str:
        if message == "parameters":
            return await self.parameters.load()
        return str((await self.acquirer.call(message, {})).get("response_code"))

    async def _test(self, body: Body, progress: Progress) -> Body:
        """验收: the rounds that are still to be done; a failure ends the run."""
        async with self._gate:
            activation = await self.state()
            machine.check(activation, Step.ROUND, await self._gates(activation))
            chosen = self._chosen(activation.profile)
            asked = body.get("rounds", chosen.rounds)
            rounds = max(chosen.rounds, asked if type(asked) is int else 0)
            if activation.rounds and not acceptance.passed(activation.rounds):
                activation = await self._record(Step.ROUNDS_RESTARTED, {})
            done = len(activation.rounds)
            for task in acceptance.plan(rounds, chosen.decline_minor)[done:]:
                result = await self._round(task, chosen)
                progress({"screen": "acceptance", "text": f"{task.number} {task.kind}"})
                activation = await self._record(Step.ROUND, asdict(result))
                if not result.passed:
                    break
            report = acceptance.report(activation.rounds)
            if report.passed:
                activation = await self._record(Step.ACCEPTED, report.body())
        return {"ok": report.passed, "state": activation.state.value, "report": report.body()}

    async def _round(self, task: acceptance.Task, chosen: profile.Profile) -> acceptance.Round:
        started = self.clock.monotonic()
        passed, detail = await self.try_round(task, chosen)
        took_ms = round((self.clock.monotonic() - started) * 1000)
        done = acceptance.Round(task.number, task.kind, task.minor, passed, took_ms, detail[:200])
        return acceptance.judged(done, chosen.budgets.get(task.kind, 0))

    async def _live(self, body: Body, _: Progress) -> Body:
        operator = await self._approved(body, "live")
        return await self._step(Step.ACTIVATED, {}, operator)

    async def _move(self, body: Body, _: Progress) -> Body:
        """Suspend, resume, replace or reopen, with a reason."""
        moves = {
            "suspend": Step.SUSPENDED,
            "resume": Step.RESUMED,
            "replace": Step.REPLACED,
            "reopen": Step.REOPENED,
        }
        wanted, reason = text_of(body, "move"), text_of(body, "reason").strip()
        if wanted not in moves or len(reason) < 3:
            raise CodecError(f"`move` is one of {', '.join(moves)}, with a reason.")
        operator = await self._approved(body, wanted)
        return await self._step(moves[wanted], {"reason": reason[:200]}, operator)
