"""A counter with a slot for chips: the real desk, sales, uplink and TLS; the card in process."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskGroup

from posfw.app.cards import Asked, CardDesk
from posfw.app.chip_data import ChipHistory, ChipParameters
from posfw.app.chip_desk import ChipDesk
from posfw.app.chip_people import ChipPeople
from posfw.app.chip_slot import ChipSlot, OpenSlot
from posfw.app.holders import Holders
from posfw.app.world import SystemChance, SystemClock
from posfw.board.site import parse_site
from posfw.crypto.dukpt import initial_key
from posfw.emv.parameters import EmvParameters
from posfw.keys.software import SoftwareElement
from posfw.ports import PinPad
from posfw.sale.limits import Limits, OfflinePolicy, Refusal
from posfw.sale.task import Sales
from posfw.sim.acquirer import Acquirer
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.profile import Profile
from posfw.sim.chip.slot import MemorySlot
from posfw.sim.chip.vpcd import AnyCard
from posfw.uplink.messages import Field, MessageType
from posfw.uplink.session import open_card, open_request
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import PosfwError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.texts import ENGLISH
from posfw.values.transaction import Conclusion, Intent, Kind
from tests.system.test_money_path import BASE_KEY, KEY_ID, Bench, served, terminal

__all__ = ["SITE", "Act", "Counter", "Stripe", "counter", "inserting", "policy", "swiping"]

Act: TypeAlias = "Callable[[Counter], Awaitable[None]]"

SITE = """
[merchant]
name = "Test merchant"
id = "898110154110001"
[terminal]
id = "12345678"
[acquirer]
name = "Simulated acquirer"
addresses = ["127.0.0.1:1"]
server_name = "acquirer"
ca = "ca.pem"
certificate = "device.pem"
key = "device.key"
"""


def policy(*, enabled: bool = True) -> OfflinePolicy:
    """Return an offline policy that takes chips."""
    modes = frozenset({EntryMode.CHIP, EntryMode.SWIPED})
    return OfflinePolicy(enabled=enabled, per_transaction_minor=30_000, entry_modes=modes)


class Stripe:
    """ports.CardReader by hand."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[CardRead | str](4)

    def swipe(self, read: CardRead | str) -> None:
        self._send.send_nowait(read)

    async def reads(self) -> AsyncIterator[CardRead | str]:
        async for read in self._receive:
            yield read

    def close(self) -> None:
        self._send.close()
        self._receive.close()


def swiping(read: CardRead | str) -> Act:
    """Return a customer who swipes."""

    async def act(made: Counter) -> None:
        made.stripe.swipe(read)

    return act


def inserting(card: AnyCard) -> Act:
    """Return a customer who takes out what is in, and inserts a card."""

    async def act(made: Counter) -> None:
        made.slot.remove()
        await anyio.wait_all_tasks_blocked()
        made.slot.insert(card)

    return act


@dataclass
class Counter:
    """Everything that a chip sale touches.

    Attributes:
        screens: progress events, in order.
        cards: what the acquirer received, by message type: card data as it opened them.
        blocks: what the acquirer received of PIN pads, in order.
        group: where the customer acts.
        acts: what the customer does when a screen comes: at its first time, its second, …
    """

    bench: Bench
    desk: ChipDesk
    slot: MemorySlot
    stripe: Stripe
    element: SoftwareElement
    group: TaskGroup
    screens: list[Mapping[str, Any]] = field(default_factory=list)
    cards: dict[MessageType, list[CardRead]] = field(default_factory=dict)
    acts: dict[str, list[Act]] = field(default_factory=dict)
    blocks: list[bytes] = field(default_factory=list)

    @property
    def acquirer(self) -> Acquirer:
        return self.bench.acquirer

    def progress(self, body: Mapping[str, Any]) -> None:
        self.screens.append(body)
        acts = self.acts.get(body["screen"])
        if acts:
            self.group.start_soon(self._act, acts.pop(0))

    async def _act(self, act: Act) -> None:
        await anyio.wait_all_tasks_blocked()  # people come after the terminal is ready
        await act(self)

    @property
    def shown(self) -> list[str]:
        return [body["screen"] for body in self.screens]

    async def take(self, minor: int, kind: Kind = Kind.SALE) -> Conclusion | Refusal:
        def intent_of(card: CardRead) -> Intent:
            return Intent(
                kind=kind,
                amount=Money(minor),
                entry_mode=card.entry_mode,
                card_masked=card.number.masked,
                card_token=self.element.token(card.number),
                operator="01",
                at=datetime.now().astimezone(),
                expiry=card.expiry,
            )

        asked = Asked(kind, Money(minor), intent_of, lambda _: None, self.progress)
        return await self.desk.take(asked)

    async def sell(self, minor: int, profile: Profile, **card: Any) -> tuple[Any, ChipCard]:
        """Insert a card and sell; the card stays in."""
        chip = ChipCard(profile, random.Random(6).randbytes, **card)
        self.slot.insert(chip)
        return await self.take(minor), chip

    def tap(self, payload: bytes) -> None:
        """See every frame inside TLS; keep the card data of requests."""
        try:
            request = open_request(payload, self.acquirer.element_of)
        except PosfwError:
            return  # an answer
        message = request.message
        block = message.fields.get(Field.PIN_BLOCK)
        if isinstance(block, bytes):
            self.blocks.append(block)
        sealed = message.fields.get(Field.CARD)
        if isinstance(sealed, bytes):
            key = Key(message.terminal, message.batch, message.stan)
            card = open_card(sealed, key=key, element=request.element)
            self.cards.setdefault(message.type, []).append(card)


@asynccontextmanager
async def counter(
    folder: Path,
    *profiles: Profile,
    offline: bool = False,
    floor_minor: int = 20_000,
    open_slot: OpenSlot | None = None,
    pad: PinPad | None = None,
) -> AsyncIterator[Counter]:
    """Run a counter that is online and knows the cards' payment systems."""
    known = parameters(profiles, floor_minor=floor_minor)
    async with (
        served(folder) as (acquirer, certificates, port),
        terminal(folder, acquirer, certificates, port) as bench,
        _joined(bench, known, Limits(offline=policy(enabled=offline)), open_slot, pad) as made,
    ):
        await bench.until_online()
        yield made


@asynccontextmanager
async def _joined(
    bench: Bench,
    known: EmvParameters,
    limits: Limits,
    open_slot: OpenSlot | None,
    pad: PinPad | None,
) -> AsyncIterator[Counter]:
    element = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, b"s" * 32)
    site, slot, hardware, stripe = (
        parse_site(SITE, source="site"),
        ChipSlot(),
        MemorySlot(),
        Stripe(),
    )
    swipes = CardDesk()
    installed = ChipParameters(bench.journal, site, known)
    sales: Sales = replace(bench.sales, limits=limits)
    desk = ChipDesk(
        slot=slot,
        stripe=swipes,
        sales=sales,
        people=ChipPeople(ENGLISH, answer_s=5.0),
        holders=Holders(ENGLISH, pad),
        parameters=installed,
        history=ChipHistory(bench.journal, element, installed.lists),
        clock=SystemClock(),
        random=SystemChance(),
        texts=ENGLISH,
        card_s=10.0,
    )
    try:
        async with anyio.create_task_group() as group:
            joined = replace(bench, sales=sales)
            made = Counter(joined, desk, hardware, stripe, element, group)
            bench.acquirer.tap = made.tap
            group.start_soon(slot.run, open_slot or (lambda: hardware))
            group.start_soon(swipes.run, stripe)
            yield made
            group.cancel_scope.cancel()
    finally:
        stripe.close()
