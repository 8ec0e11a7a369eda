"""The customer's hand at pcscd's virtual reader: test cards with chips, in and out.

The cards belong to the CA keys of this process: `prepare` writes the file that a terminal reads
them from, and returns the same as the acquirer's set `emv`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from posfw.sim.chip.card import ATR, ChipCard
from posfw.sim.chip.demo import demo_set, demo_toml
from posfw.sim.chip.faults import FAULTS, Faulty
from posfw.sim.chip.profile import MASTERCARD, UNIONPAY, VISA, Profile
from posfw.sim.chip.vpcd import AnyCard, Slot

__all__ = ["PORT", "WAYS", "ChipHand", "prepare"]

PORT: Final = 35963  # of vpcd's first slot
PULL_AT: Final = 4  # the command at which an impatient customer pulls the card
_BY_FIRST_DIGIT: Final = {"6": UNIONPAY, "4": VISA, "5": MASTERCARD}


class _Held:
    """A card whose every command goes through a fault."""

    def __init__(self, card: ChipCard, faulty: Faulty) -> None:
        self.reset = card.reset
        self.transmit = faulty.transmit


def _faulty(name: str, at: int = 0) -> Callable[[ChipCard], AnyCard]:
    return lambda card: _Held(card, Faulty(card.transmit, FAULTS[name], at))


def _blocked(card: ChipCard) -> AnyCard:
    card.card_blocked = True
    return card


# What becomes of a card that is put in; "dead" has no answer to reset.
WAYS: Final[Mapping[str, Callable[[ChipCard], AnyCard]]] = {
    "insert": lambda card: card,
    "pulled": _faulty("pulled", PULL_AT),
    "blocked": _blocked,
    "garbage": _faulty("garbage"),
    "dead": lambda card: card,
}


def prepare(state: Path) -> dict[str, Any]:
    """Write `emv.toml` into the terminal's state folder; return the acquirer's set `emv`.

    The set's version says which keys it holds: a rig that is started anew has other keys, so a
    terminal that kept the old ones asks for these.
    """
    (state / "emv.toml").write_text(demo_toml(), "utf-8")
    made = demo_set()
    held = b"".join(key["checksum"] for key in made["ca_key"])
    version = int.from_bytes(hashlib.sha256(held).digest()[:3], "big")
    return {"version": version, **made}


def profile_of(number: str, expiry: str, pin: str) -> Profile:
    """Return the simulated card of a test card's number.

    Args:
        number: its first digit chooses the payment system.
        expiry: YYMM.
        pin: what its cardholder knows.

    Raises:
        KeyError: no payment system of the simulation has such numbers.
    """
    scheme = _BY_FIRST_DIGIT[number[0]]
    return replace(scheme, pan=number, expiry=f"{expiry}28", pin=pin)


@dataclass(slots=True)
class ChipHand:
    """Puts cards in and takes them out; every call may block for a moment: use a thread.

    Attributes:
        port: where vpcd listens.
        held: the card that is in, as its simulator knows it.
    """

    port: int = PORT
    held: ChipCard | None = None
    _slot: Slot | None = None
    _cards: dict[str, ChipCard] = field(default_factory=dict)
    _chance: random.Random = field(default_factory=random.SystemRandom)

    def insert(self, number: str, expiry: str, pin: str, way: str = "insert") -> None:
        """Put a card in, in the place of what is there; a card keeps its counters.

        Raises:
            OSError: no pcscd with vpcd listens here.
            KeyError: an unknown way or payment system.
        """
        act = WAYS[way]
        card = self._cards.get(number)
        if card is None:
            made = profile_of(number, expiry, pin)
            card = ChipCard(made, self._chance.randbytes, protocol=0)
            self._cards[number] = card
        card.card_blocked = False
        self.remove()
        slot = Slot(self.port)
        slot.insert(act(card), b"" if way == "dead" else ATR)
        self._slot, self.held = slot, card

    def remove(self) -> bool:
        """Take out what is in; return whether something was."""
        slot, self._slot, was_in = self._slot, None, self.held is not None
        self.held = None
        if slot is not None:
            slot.remove()
        return was_in
