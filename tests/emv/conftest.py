"""One sale, kernel against simulated card, with everything round it as keywords."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from posfw.emv.context import Context
from posfw.emv.effects import Finished, Request
from posfw.emv.kernel import begin
from posfw.emv.parameters import AidParameters, EmvParameters
from posfw.emv.terminal import terminal_objects
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters, run
from posfw.sim.chip.issuer import Issuer
from posfw.sim.chip.profile import SCHEMES, Profile
from posfw.values.money import Money

NOW = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
ONLINE, OFFLINE = 30_000, 5_000  # above and below the floor limit of 200.00


@dataclass
class Sale:
    """What happened."""

    finished: Finished
    counter: Counter
    card: ChipCard


def request_for(minor: int = ONLINE, **changes: Any) -> Request:
    fixed: dict[str, Any] = {
        "at": NOW,
        "unpredictable": b"\x12\x34\x56\x78",
        "chance_percent": 50,
    }
    return Request(Money(minor), **(fixed | changes))


@pytest.fixture
def make_request() -> Callable[..., Request]:
    return request_for


@pytest.fixture
def sale() -> Callable[..., Sale]:
    """Run one sale: `sale(UNIONPAY, minor=…, terminal={…}, card={…}, request={…}, pins=[…])`."""

    def sell(
        profile: Profile,
        *,
        minor: int = ONLINE,
        terminal: dict[str, Any] | None = None,
        card: dict[str, Any] | None = None,
        request: dict[str, Any] | None = None,
        parameters_made: EmvParameters | None = None,
        **counter: Any,
    ) -> Sale:
        chance = random.Random(7)
        chip = ChipCard(profile, chance.randbytes, **(card or {}))
        known = [each for each in SCHEMES if each.scheme != profile.scheme]
        made = parameters_made or parameters([*known, profile], **(terminal or {}))
        fixed: dict[str, Any] = {"pins": ["1234"], "issuer": Issuer(), "protocol": chip.protocol}
        round_it = Counter(chip.transmit, chance.randbytes, **(fixed | counter))
        finished = run(begin(made, request_for(minor, **(request or {}))), round_it)
        return Sale(finished, round_it, chip)

    return sell


@pytest.fixture
def make_context() -> Callable[..., Context]:
    """Return a context with an application chosen and card data of the caller's."""

    def make(
        data: dict[int, bytes] | None = None,
        *,
        aid: AidParameters | None = None,
        terminal: dict[str, Any] | None = None,
        request: Request | None = None,
        **changes: Any,
    ) -> Context:
        chosen = aid or AidParameters(bytes.fromhex("A000000333010101"), 0, 0, 0)
        made = EmvParameters((chosen,), **(terminal or {}))
        asked = request or request_for()
        objects = terminal_objects(made, asked) | {0x82: b"\x7c\x00"} | (data or {})
        return Context(made, asked, objects, application=chosen, **changes)

    return make


@pytest.fixture
def run_with() -> Callable[..., Sale]:
    """Run one sale with the card's answers changed: `run_with(profile, change, …)`."""

    def sell(
        profile: Profile, change: Callable[[ChipCard], Callable[[bytes], bytes]], **asked: Any
    ) -> Sale:
        chance = random.Random(7)
        chip = ChipCard(profile, chance.randbytes)
        minor = asked.pop("minor", ONLINE)
        fixed: dict[str, Any] = {"pins": ["1234"], "issuer": Issuer()}
        round_it = Counter(change(chip), chance.randbytes, **(fixed | asked))
        finished = run(begin(parameters([profile]), request_for(minor)), round_it)
        return Sale(finished, round_it, chip)

    return sell
