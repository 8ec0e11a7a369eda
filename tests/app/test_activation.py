from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from posfw.activate.acceptance import Task
from posfw.activate.bundle import Answer, open_request, seal_answer
from posfw.activate.profile import Profile
from posfw.activate.typed import spoken
from posfw.app.acceptance import Rounds
from posfw.app.acquirers import load_profiles
from posfw.app.activation import Activations, Device
from posfw.app.parameters import Parameters
from posfw.crypto.sign1 import public_key
from posfw.values.errors import (
    AuthenticityError,
    CodecError,
    ConfigError,
    InputError,
    LinkError,
    RefusedError,
)
from posfw.values.events import Record
from tests.app.fakes import (
    SYSTEM,
    CountingRandom,
    ScriptedAcquirer,
    SetClock,
    do,
    opened,
    signer,
    staffed,
)

DEVICE, BANK = signer(b"d"), signer(b"b")
APPLICATION = {"merchant_name": "小店", "account_name": "王小店"}
ISSUED = {"terminal": "12345678", "merchant": "898440350110001", "card": "JH-1"}
PROFILES = load_profiles()
OK: Mapping[str, object] = {"response_code": "00"}


class PowerCutError(BaseException):
    """Nothing of the process is left; only the journal is."""


@dataclass
class Bench:
    """A terminal that is activated, and the bank's desk."""

    activation: Activations
    acquirer: ScriptedAcquirer
    clock: SetClock
    tried: list[Task]
    fail_kinds: set[str] = field(default_factory=set)

    def answer(self, file: bytes, **changes: Any) -> str:
        request = open_request(file)
        facts: dict[str, Any] = {
            "request": hashlib.sha256(file).digest(),
            "terminal": request.terminal,
            "merchant": request.merchant,
            "serial": request.serial,
            "day": "20260302",
            "yesterday_minor": 0,
            "parameters": {"kcv": "a1b2c3"},
        }
        return seal_answer(Answer(**facts | changes), BANK, b"bank").hex()


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    clock = SetClock()
    async with opened(folder, clock) as journal:
        acquirer = ScriptedAcquirer({"sign_on": OK, "parameters": OK})
        tried: list[Task] = []
        made: list[Bench] = []

        async def check() -> dict[str, bool]:
            return {"printer": True, "reader": True}

        async def try_round(task: Task, profile: Profile) -> tuple[bool, str]:
            tried.append(task)
            return task.kind not in made[0].fail_kinds, "seen"

        activation = Activations(
            journal=journal,
            acquirer=acquirer,
            operators=await staffed(journal, clock),
            clock=clock,
            random=CountingRandom(),
            device=Device("PF000001", "host", {"posfw": "0.1.0"}, DEVICE),
            profiles=PROFILES,
            bank_key=lambda: public_key(BANK.public),
            check=check,
            try_round=try_round,
            parameters=Parameters(journal, acquirer, clock),
        )
        made.append(Bench(activation, acquirer, clock, tried))
        yield made[0]


async def until_issued(b: Bench) -> None:
    await do(b.activation, "activate_profile", profile="unionpay")
    await do(b.activation, "activate_check")
    for paper in PROFILES["unionpay"].papers:
        await do(b.activation, "activate_paper", paper=paper.id, reference="A1")
    await do(b.activation, "activate_apply", application=APPLICATION)
    await do(b.activation, "activate_issued", **ISSUED, **SYSTEM)


async def until_exported(b: Bench) -> bytes:
    await until_issued(b)
    file = bytes.fromhex((await do(b.activation, "activate_export"))["file"])
    await do(b.activation, "activate_submitted")
    return file


async def to_the_end(b: Bench) -> None:
    """Do whatever is still to be done, as a person who reads the status would."""
    for _ in range(40):
        status = await do(b.activation, "activate_status")
        if status["state"] == "active":
            return
        await next_step(b, status)
    raise AssertionError("the activation does not come to an end")


async def next_step(b: Bench, status: Mapping[str, Any]) -> None:
    steps: dict[str, Callable[[Bench, Mapping[str, Any]], Awaitable[Any]]] = {
        "factory": _before_the_application,
        "issued": _with_the_bank,
        "applied": lambda b, _: do(b.activation, "activate_issued", **ISSUED, **SYSTEM),
        "provisioned": lambda b, _: do(b.activation, "activate_test"),
        "tested": lambda b, _: do(b.activation, "activate_live", **SYSTEM),
    }
    await steps[status["state"]](b, status)


async def _before_the_application(b: Bench, status: Mapping[str, Any]) -> None:
    now = await b.activation.state()
    missing = [paper["id"] for paper in status["papers"] if not paper["reference"]]
    if not now.profile:
        await do(b.activation, "activate_profile", profile="unionpay")
    elif not now.check_passed:
        await do(b.activation, "activate_check")
    elif missing:
        await do(b.activation, "activate_paper", paper=missing[0], reference="A1")
    else:
        await do(b.activation, "activate_apply", application=APPLICATION)


async def _with_the_bank(b: Bench, _: Mapping[str, Any]) -> None:
    now = await b.activation.state()
    if now.confirmed:
        await do(b.activation, "activate_provision")
    elif now.answer_digest:
        await do(b.activation, "activate_confirm", **SYSTEM)
    else:
        file = bytes.fromhex((await do(b.activation, "activate_export"))["file"])
        await do(b.activation, "activate_submitted")
        await do(b.activation, "activate_import", file=b.answer(file))


async def test_the_whole_way_ends_in_live_sales(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        refusal = await b.activation.refusal()
        assert refusal is not None
        assert refusal.code == "ACT-101"
        await to_the_end(b)
        assert await b.activation.refusal() is None
        assert len(b.tried) == PROFILES["unionpay"].rounds
        assert b.tried[-1].kind == "settlement"
        assert [message for message, _ in b.acquirer.asked] == ["sign_on", "parameters"]


@pytest.mark.may_block
async def test_a_power_cut_after_every_record_is_answered_by_going_on(tmp_path: Path) -> None:
    cut = 0
    while True:
        cut += 1
        folder = tmp_path / str(cut)
        folder.mkdir()
        try:
            async with bench(folder) as b:
                append, left = b.activation.journal.append, cut

                async def cutting(*records: Record, append: Any = append) -> None:
                    nonlocal left
                    await append(*records)
                    left -= 1
                    if not left:
                        raise PowerCutError  # noqa: TRY301 - the cut comes right here

                b.activation.journal.append = cutting  # type: ignore[method-assign]  # the cut
                await to_the_end(b)
        except PowerCutError:
            async with bench(folder) as again:
                await to_the_end(again)
                assert (await again.activation.state()).state.may_sell
                assert await again.activation.journal.verify() is None
            continue
        break
    assert cut > 20  # every step was cut once


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"terminal": "87654321"}, "ACT-202"),
        ({"serial": "PF000002"}, "ACT-204"),
        ({"day": "20260101"}, "ACT-205"),
        ({"yesterday_minor": 100}, "ACT-206"),
        ({"request": b"x" * 32}, "ACT-201"),
    ],
)
async def test_a_wrong_answer_blocks_and_is_kept(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async with bench(tmp_path) as b:
        file = await until_exported(b)
        with pytest.raises(RefusedError) as refused:
            await do(b.activation, "activate_import", file=b.answer(file, **changes))
        assert refused.value.stable_code == code
        with pytest.raises(RefusedError):
            await do(b.activation, "activate_confirm", **SYSTEM)
        await do(b.activation, "activate_import", file=b.answer(file))


async def test_a_replayed_answer_is_refused_after_a_new_export_and_after_reopening(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        first = b.answer(await until_exported(b))
        await do(b.activation, "activate_import", file=first)
        with pytest.raises(RefusedError) as refused:
            await do(b.activation, "activate_import", file=first)
        assert refused.value.stable_code == "ACT-207"
        await do(b.activation, "activate_export")
        with pytest.raises(RefusedError) as refused:
            await do(b.activation, "activate_import", file=first)
        assert refused.value.stable_code == "ACT-201"


async def test_forged_and_broken_answers_are_refused(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        good = b.answer(await until_exported(b))
        flipped = good[:-2] + f"{int(good[-2:], 16) ^ 1:02x}"
        with pytest.raises(AuthenticityError):
            await do(b.activation, "activate_import", file=flipped)
        for broken in ("", "00", "zz", good[:-2]):
            with pytest.raises((CodecError, AuthenticityError)):
                await do(b.activation, "activate_import", file=broken)
        b.activation.bank_key = None
        with pytest.raises(ConfigError):
            await do(b.activation, "activate_import", file=good)


async def test_online_activation_is_verified_like_a_file(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await until_issued(b)
        with pytest.raises(LinkError):
            await do(b.activation, "activate_online", code="123456")
        call = b.acquirer.call

        async def bank(message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
            if message != "activation":
                return await call(message, fields)
            assert fields["code"] == "123456"
            request = fields["request"]
            assert isinstance(request, bytes)
            return {"response_code": "00", "answer": bytes.fromhex(b.answer(request))}

        b.acquirer.call = bank  # type: ignore[method-assign]  # a bank that signs
        await do(b.activation, "activate_online", code="123456")
        assert (await b.activation.state()).answer_digest
        b.acquirer.call = call  # type: ignore[method-assign]
        for answer, error in (({"response_code": "14"}, RefusedError), (OK, LinkError)):
            b.acquirer.answers["activation"] = answer
            with pytest.raises(error):
                await do(b.activation, "activate_online", code="000000")


async def test_a_failed_round_ends_the_run_and_the_next_begins_anew(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        file = await until_exported(b)
        await do(b.activation, "activate_import", file=b.answer(file))
        await do(b.activation, "activate_confirm", **SYSTEM)
        await do(b.activation, "activate_provision")
        b.fail_kinds.add("print")
        failed = await do(b.activation, "activate_test")
        assert not failed["ok"]
        assert [each["kind"] for each in failed["report"]["failures"]] == ["print"]
        b.fail_kinds.clear()
        b.tried.clear()
        assert (await do(b.activation, "activate_test", rounds=20))["ok"]
        assert len(b.tried) == 20


async def test_half_a_load_of_parameters_is_no_load(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        file = await until_exported(b)
        await do(b.activation, "activate_import", file=b.answer(file))
        await do(b.activation, "activate_confirm", **SYSTEM)
        b.acquirer.answers["parameters"] = {"response_code": "96"}
        with pytest.raises(RefusedError):
            await do(b.activation, "activate_provision")
        assert (await b.activation.state()).state.value == "issued"


async def test_reactivation_keeps_old_records_and_compares_yesterdays_amount(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        await to_the_end(b)
        journal = b.activation.journal
        batch = await journal.freeze(b.clock.now())
        result = {"balanced": True, "debit_minor": 125_000, "credit_minor": 25_000}
        await journal.close(batch, result, b.clock.now())
        await do(b.activation, "activate_move", move="reopen", reason="repair", **SYSTEM)
        assert await b.activation.refusal() is not None
        with pytest.raises(RefusedError) as refused:
            await to_the_end(b)
        assert refused.value.stable_code == "ACT-206"
        file = bytes.fromhex((await do(b.activation, "activate_export"))["file"])
        assert open_request(file).epoch == 1
        answer = b.answer(file, yesterday_minor=100_000)
        await do(b.activation, "activate_import", file=answer)
        await to_the_end(b)
        assert len(await journal.batches(10)) == 1


async def test_suspended_terminals_do_not_sell_and_reasons_are_asked_for(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await to_the_end(b)
        with pytest.raises(CodecError):
            await do(b.activation, "activate_move", move="suspend", reason=" ", **SYSTEM)
        await do(b.activation, "activate_move", move="suspend", reason="stolen", **SYSTEM)
        assert await b.activation.refusal() is not None
        assert not await b.activation.may_talk()
        await do(b.activation, "activate_move", move="resume", reason="found", **SYSTEM)
        assert await b.activation.refusal() is None


async def test_a_demonstration_sells_until_somebody_begins_an_activation(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        b.activation.pre_activated = True
        assert await b.activation.refusal() is None
        await until_issued(b)
        assert await b.activation.refusal() is not None


async def test_bad_input_is_named(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        with pytest.raises(InputError, match="unionpay"):
            await do(b.activation, "activate_profile", profile="../secret")
        await do(b.activation, "activate_profile", profile="lakala")
        with pytest.raises(InputError, match="identity"):
            await do(b.activation, "activate_paper", paper="passport", reference="A1")
        with pytest.raises(InputError, match="account_name"):
            await do(b.activation, "activate_apply", application={"merchant_name": "x"})
        with pytest.raises(CodecError):
            await do(b.activation, "activate_apply", application={"merchant_name": " "})


async def test_rounds_go_through_the_terminals_own_verbs() -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []

    async def handler(verb: str, body: Mapping[str, Any], _: Any) -> Mapping[str, Any]:
        asked.append((verb, body))
        if verb == "sale" and body["amount"].endswith(".51"):
            return {"ending": "failed", "kind": "declined", "key": "K-000001-000009"}
        others = {"settle": {"ok": True, "batch": 1}, "reprint": {"ok": True, "job": 7}}
        return others.get(verb, {"ending": "success", "key": "K-000001-000001"})

    async def printed(job: int) -> bool:
        return job == 7

    def drop_line() -> None:
        asked.append(("drop", {}))

    line = [True, False]  # it comes back once

    async def line_up() -> bool:
        return line.pop(0)

    profile = PROFILES["unionpay"]
    rounds = Rounds(handler, printed, drop_line, line_up)
    kinds = ("sale", "void", "refund", "print", "line_loss", "settlement")
    assert all([(await rounds(Task(1, kind, 800), profile))[0] for kind in kinds])
    assert (await rounds(Task(1, "decline", 851), profile))[0]
    assert not (await rounds(Task(1, "decline", 800), profile))[0]
    assert not (await rounds(Task(1, "line_loss", 800), profile))[0]
    assert ("refund", {"key": "K-000001-000001", "amount": "4.00"}) in asked
    bare = Rounds(handler)
    assert await bare(Task(1, "print", 0), profile) == (False, "no printer is wired here")
    assert not (await bare(Task(1, "line_loss", 800), profile))[0]


async def test_a_round_over_the_profiles_budget_keeps_the_terminal_from_going_live(
    tmp_path: Path,
) -> None:
    async with bench(tmp_path) as b:
        while (await b.activation.state()).state.value != "provisioned":
            await next_step(b, await do(b.activation, "activate_status"))
        quick = b.activation.try_round

        async def slow(task: Task, profile: Profile) -> tuple[bool, str]:
            b.clock.seconds += 20 if task.kind == "void" else 1
            return await quick(task, profile)

        b.activation.try_round = slow
        told = await do(b.activation, "activate_test")
        assert not told["ok"]
        (failure,) = told["report"]["failures"]
        assert (failure["kind"], failure["took_ms"]) == ("void", 20_000)
        assert "at most 15000 ms" in failure["detail"]
        with pytest.raises(RefusedError):
            await do(b.activation, "activate_live", **SYSTEM)
        b.activation.try_round = quick
        assert (await do(b.activation, "activate_test"))["ok"]


async def test_a_typed_answer_is_verified_compared_and_taken_once_like_a_file(
    tmp_path: Path,
) -> None:
    key = public_key(BANK.public)

    def letter(file: bytes, **changes: Any) -> str:
        answer = b.answer(file, parameters={"version": 1}, **changes)
        return spoken(bytes.fromhex(answer), key)

    async with bench(tmp_path) as b:
        file = await until_exported(b)
        for changes, code in (
            ({"yesterday_minor": 5}, "ACT-206"),
            ({"day": "20260401"}, "ACT-205"),
        ):
            with pytest.raises(RefusedError) as refused:
                await do(b.activation, "activate_typed", groups=letter(file, **changes))
            assert refused.value.stable_code == code
        with pytest.raises(AuthenticityError):
            await do(b.activation, "activate_typed", groups=letter(file, serial="PF999999"))
        good = letter(file)
        with pytest.raises(InputError, match="group"):
            await do(b.activation, "activate_typed", groups=good[:-1])
        told = await do(b.activation, "activate_typed", groups=good)
        assert (told["ok"], told["day"], told["yesterday_minor"]) == (True, "20260302", 0)
        await do(b.activation, "activate_confirm", **SYSTEM)
        await do(b.activation, "activate_provision")
        with pytest.raises(RefusedError):
            await do(b.activation, "activate_typed", groups=good)
