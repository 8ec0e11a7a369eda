"""Hostile answers: counted, ignored, nothing approved by them."""

from __future__ import annotations

import pytest

from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message
from posfw.uplink.session import Opened, protect_answer
from posfw.values.outcome import Approved, Unknown
from tests.uplink.acquirer import (
    CARD,
    ELEMENT,
    Bank,
    Reply,
    Rows,
    answer,
    begun,
    running,
)


async def hostile_reflection(opened: Opened, bank: Bank) -> list[bytes]:
    return [bank.frames[-1]]


async def hostile_truncation(opened: Opened, bank: Bank) -> list[bytes]:
    return [answer(opened)[:-1], b"\x00"]


async def hostile_mac(opened: Opened, bank: Bank) -> list[bytes]:
    good = answer(opened)
    return [good[:-1] + bytes([good[-1] ^ 1])]


async def hostile_key(opened: Opened, bank: Bank) -> list[bytes]:
    other = SoftwareElement(bytes(32), b"KEYID001", bytes(32))
    return [answer(Opened(opened.message, opened.counter, opened.digest, other))]


async def hostile_kid(opened: Opened, bank: Bank) -> list[bytes]:
    return [answer(Opened(opened.message, opened.counter + 1, opened.digest, ELEMENT))]


async def hostile_digest(opened: Opened, bank: Bank) -> list[bytes]:
    return [answer(Opened(opened.message, opened.counter, bytes(32), ELEMENT))]


async def hostile_terminal(opened: Opened, bank: Bank) -> list[bytes]:
    asked = opened.message
    body = Message(
        asked.type,
        "T0000002",
        asked.merchant,
        asked.batch,
        asked.stan,
        {Field.RESPONSE_CODE: "00"},
    )
    return [protect_answer(body, opened)]


async def hostile_no_code(opened: Opened, bank: Bank) -> list[bytes]:
    return [protect_answer(opened.message, opened)]


@pytest.mark.parametrize(
    "attack",
    [
        hostile_reflection,
        hostile_truncation,
        hostile_mac,
        hostile_key,
        hostile_kid,
        hostile_digest,
        hostile_terminal,
        hostile_no_code,
    ],
)
async def test_a_hostile_answer_is_counted_and_approves_nothing(attack: Reply) -> None:
    async with running(Bank(attack), Rows(), limit_s=0.05) as uplink:
        assert isinstance(await uplink.authorise(begun(), CARD), Unknown)
        assert uplink.ignored >= 1
        assert uplink.online


async def test_a_replayed_approval_approves_no_later_sale() -> None:
    kept: list[bytes] = []

    async def reply(opened: Opened, bank: Bank) -> list[bytes]:
        if not kept:
            kept.append(answer(opened))
        return kept

    async with running(Bank(reply), Rows(), limit_s=0.1) as uplink:
        assert isinstance(await uplink.authorise(begun(1), CARD), Approved)
        assert isinstance(await uplink.authorise(begun(2), CARD), Unknown)
