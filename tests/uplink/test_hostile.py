"""Hostile answers: counted, ignored, nothing approved by them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from posfw.codec import cbor
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Message, MessageType
from posfw.uplink.session import (
    ANSWER,
    Opened,
    external_aad,
    kid_of,
    open_answer,
    open_request,
    protect_answer,
    protect_request,
)
from posfw.values.outcome import Approved, Unknown
from tests.uplink.acquirer import (
    CARD,
    ELEMENT,
    TERMINAL,
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
    other = replace(opened.message, terminal="T0000002")
    return [answer(Opened(other, opened.counter, opened.digest, ELEMENT))]


async def hostile_batch(opened: Opened, bank: Bank) -> list[bytes]:
    other = replace(opened.message, batch=4)
    return [answer(Opened(other, opened.counter, opened.digest, ELEMENT))]


async def hostile_type(opened: Opened, bank: Bank) -> list[bytes]:
    other = replace(opened.message, type=MessageType.ADVICE)
    return [answer(Opened(other, opened.counter, opened.digest, ELEMENT))]


async def hostile_no_code(opened: Opened, bank: Bank) -> list[bytes]:
    return [protect_answer(replace(opened.message, fields={}), opened)]


def resealed(opened: Opened, header: dict[int, object]) -> bytes:
    """Return a good answer under another protected header, with a code that fits it."""
    parts = cbor.decode(answer(opened)).value
    protected = cbor.encode(header)
    aad = external_aad(ANSWER, opened.message, opened.digest)
    key = ELEMENT.mac_key(opened.counter, answer=True)
    tag = key.mac(cbor.encode(["MAC0", protected, aad, parts[2]]))
    return cbor.encode(cbor.Tag(17, [protected, {}, parts[2], tag]))


async def hostile_algorithm(opened: Opened, bank: Bank) -> list[bytes]:
    return [resealed(opened, {1: 4, 4: kid_of(ELEMENT, opened.counter)})]


async def hostile_crit(opened: Opened, bank: Bank) -> list[bytes]:
    return [resealed(opened, {1: 5, 2: [99], 4: kid_of(ELEMENT, opened.counter), 99: 1})]


async def hostile_other_request(opened: Opened, bank: Bank) -> list[bytes]:
    """An answer to another request of the same terminal that the acquirer really made."""
    other = protect_request(replace(opened.message, stan=999), ELEMENT, opened.counter + 1)
    return [answer(open_request(other.data, lambda _: ELEMENT))]


async def hostile_old_counter(opened: Opened, bank: Bank) -> list[bytes]:
    old = protect_request(opened.message, ELEMENT, 1)
    return [answer(open_request(old.data, lambda _: ELEMENT))]


def test_resealing_alone_is_no_attack() -> None:
    request = protect_request(Message(MessageType.ECHO, TERMINAL, "898310058120001"), ELEMENT, 5)
    opened = open_request(request.data, lambda _: ELEMENT)
    good = resealed(opened, {1: 5, 4: kid_of(ELEMENT, 5)})
    assert open_answer(good, element=ELEMENT, request=request).fields


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
        hostile_batch,
        hostile_type,
        hostile_algorithm,
        hostile_crit,
        hostile_other_request,
        hostile_old_counter,
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
