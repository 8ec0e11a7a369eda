"""Every attack against a real journal: nothing that an attacker sends changes one row of it.

The other direction, requests that an acquirer must refuse, is in tests/sim/test_acquirer.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from posfw.uplink.messages import Field, MessageType
from posfw.uplink.session import Opened, protect_request
from posfw.values.outcome import Approved, Declined
from posfw.values.transaction import Begun, Conclusion
from tests.journal.fakes import SALE, offline, opened, unknown
from tests.uplink import test_hostile as hostile
from tests.uplink.acquirer import CARD, ELEMENT, Bank, Reply, answer, running, says

pytestmark = pytest.mark.may_block  # the journal's file is read beside it


async def nonsense(opened: Opened, bank: Bank) -> list[bytes]:
    return [b"hello", b"\xd1\x84", bytes(16384)]


async def other_key_of_the_same_terminal(opened: Opened, bank: Bank) -> list[bytes]:
    """A request key where an answer key belongs: reflection with a body that fits."""
    request = replace(opened.message, fields={Field.RESPONSE_CODE: "00"})
    return [protect_request(request, ELEMENT, opened.counter).data]


async def another_type(opened: Opened, bank: Bank) -> list[bytes]:
    other = replace(opened.message, type=MessageType.SETTLE)
    return [answer(Opened(other, opened.counter, opened.digest, ELEMENT))]


ATTACKS: dict[str, Reply] = {
    "reflection": hostile.hostile_reflection,
    "reflection with a fitting body": other_key_of_the_same_terminal,
    "cross-terminal": hostile.hostile_terminal,
    "cross-batch": hostile.hostile_batch,
    "another type": another_type,
    "truncated": hostile.hostile_truncation,
    "changed code": hostile.hostile_mac,
    "algorithm swapped": hostile.hostile_algorithm,
    "unknown crit": hostile.hostile_crit,
    "wrong kid": hostile.hostile_kid,
    "foreign key": hostile.hostile_key,
    "old KSN": hostile.hostile_old_counter,
    "answer of another request": hostile.hostile_other_request,
    "bound to another request": hostile.hostile_digest,
    "no response code": hostile.hostile_no_code,
    "nonsense": nonsense,
}
OWED: dict[str, Callable[[Begun], Conclusion]] = {"advice": offline, "reversal": unknown}


def dump(folder: Path) -> list[str]:
    """Return every row; the DUKPT counter alone may rise, because asking takes a new one."""
    with closing(sqlite3.connect(folder / "journal.db")) as raw:
        return [line for line in raw.iterdump() if "'ksn'" not in line]


async def prepared(folder: Path, owed: str) -> Begun:
    """Make a journal with one message owed and one sale begun."""
    async with opened(folder, terminal="T0000001") as journal:
        await journal.conclude(OWED[owed](await journal.begin(SALE)))
        return await journal.begin(SALE)


async def asked(folder: Path, begun: Begun, bank: Bank, *, ignored: int) -> object:
    """Send what is owed and the sale; return how the sale ended once so much was ignored."""
    async with (
        opened(folder, terminal="T0000001", create=False) as journal,
        running(bank, journal, limit_s=0.05) as uplink,
    ):
        outcome = await uplink.authorise(begun, CARD)
        with anyio.fail_after(10):
            while uplink.ignored < ignored:
                await anyio.lowlevel.checkpoint()
        return outcome


@pytest.mark.parametrize("owed", OWED)
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_changes_no_row(name: str, owed: str, tmp_path: Path) -> None:
    begun = await prepared(tmp_path, owed)
    before = dump(tmp_path)
    outcome = await asked(tmp_path, begun, Bank(ATTACKS[name]), ignored=1)
    assert not isinstance(outcome, Approved | Declined)
    assert dump(tmp_path) == before


@pytest.mark.parametrize("owed", OWED)
async def test_a_replayed_answer_ends_no_later_message(owed: str, tmp_path: Path) -> None:
    """What verified once, and ended a message, is all that comes from then on."""
    recorded: list[bytes] = []

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        if not recorded:
            recorded.append(answer(opened))
        return recorded

    bank = Bank(reply)
    await prepared(tmp_path, owed)
    async with (
        opened(tmp_path, terminal="T0000001", create=False) as journal,
        running(bank, journal),
    ):
        with anyio.fail_after(10):
            while await journal.owed(1):
                await anyio.lowlevel.checkpoint()
    async with opened(tmp_path, terminal="T0000001", create=False) as journal:
        await journal.conclude(OWED[owed](await journal.begin(SALE)))
        begun = await journal.begin(SALE)
    before = dump(tmp_path)
    outcome = await asked(tmp_path, begun, bank, ignored=1)
    assert not isinstance(outcome, Approved | Declined)
    assert dump(tmp_path) == before


@pytest.mark.parametrize("owed", OWED)
async def test_an_honest_answer_does_change_rows(owed: str, tmp_path: Path) -> None:
    """The control: what the table above compares would show an acknowledgement."""
    begun = await prepared(tmp_path, owed)
    before = dump(tmp_path)
    outcome = await asked(tmp_path, begun, Bank(says("00")), ignored=0)
    assert isinstance(outcome, Approved)
    async with opened(tmp_path, terminal="T0000001", create=False) as journal:
        bank = Bank(says("00"))
        async with running(bank, journal):
            with anyio.fail_after(10):
                while await journal.owed(1):
                    await anyio.lowlevel.checkpoint()
    assert dump(tmp_path) != before


async def test_answers_in_another_order_end_their_own_messages(tmp_path: Path) -> None:
    """Reordering: two messages owed, answered the other way round, with different codes."""
    held: list[bytes] = []

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        refused = opened.message.type is MessageType.ADVICE and not held
        held.insert(0, answer(opened, "14" if refused else "00"))
        return held if len(held) == 2 else []

    async with opened(tmp_path, terminal="T0000001") as journal:
        first = await journal.begin(SALE)
        await journal.conclude(offline(first))
        second = await journal.begin(SALE)
        await journal.conclude(offline(second))
        async with running(Bank(reply), journal):
            with anyio.fail_after(10):
                while await journal.owed(2):
                    await anyio.lowlevel.checkpoint()
        assert [(owed.key, code) for owed, code in await journal.rejected()] == [(first.key, "14")]
        ended = await journal.transaction(second.key)
        assert ended is not None
        assert ended.acknowledged
