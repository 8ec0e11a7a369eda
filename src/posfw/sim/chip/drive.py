"""Performs the kernel's effects in one process: card, PIN pad, cardholder, line, as values.

The shape a sale flow has; here without a reader, so that whole transactions take milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from posfw.emv.apdu import Response
from posfw.emv.effects import (
    Answer,
    AuthoriseOnline,
    Cancelled,
    CardGone,
    CardHistory,
    CheckIdentity,
    ChooseApplication,
    Chosen,
    Effect,
    EnterOfflinePin,
    EnterOnlinePin,
    Finished,
    IdentityChecked,
    OnlineAnswer,
    PinBypassed,
    PinEntered,
    PinPadBroken,
    ReviewCard,
    Transmit,
    UnableToGoOnline,
)
from posfw.emv.kernel import Kernel, step
from posfw.emv.parameters import AidParameters, CaKey, EmvParameters
from posfw.sim.chip import pki
from posfw.sim.chip.faults import PATIENCE_S, CardPulled, CardSlow
from posfw.sim.chip.issuer import Issuer, Script
from posfw.sim.chip.pinpad import enciphered_block, plaintext_block
from posfw.sim.chip.profile import CA_INDEX, SCHEMES, Profile
from posfw.values.card import Secret
from posfw.values.errors import CardDataError, MisuseError

__all__ = ["Counter", "ca_key", "parameters", "run"]

# Zero-TAC denial; online and default: what every scheme's manual sets at the least.
TAC_ONLINE = int.from_bytes(bytes.fromhex("FC78FCF800"), "big")
TAC_DEFAULT = int.from_bytes(bytes.fromhex("FC78FCA800"), "big")
TAC_DENIAL = int.from_bytes(bytes.fromhex("0010000000"), "big")


def ca_key(profile: Profile) -> CaKey:
    """Return the key of a simulated payment system as the acquirer would send it."""
    key = pki.authority(profile.rid, profile.ca_bits, profile.exponent)
    content = profile.rid + bytes((CA_INDEX,)) + key.modulus_bytes + key.exponent_bytes
    checksum = hashlib.sha1(content, usedforsecurity=False).digest()
    return CaKey(profile.rid, CA_INDEX, key.modulus_bytes, key.exponent_bytes, checksum)


def parameters(
    profiles: Sequence[Profile] = SCHEMES, *, floor_minor: int = 20_000, **changes: object
) -> EmvParameters:
    """Return terminal parameters that know these cards."""
    aids = tuple(
        AidParameters(each.aid[:7], TAC_DENIAL, TAC_ONLINE, TAC_DEFAULT, floor_minor=floor_minor)
        for each in profiles
    )
    keys = tuple(ca_key(each) for each in profiles)
    fixed: dict[str, object] = {"terminal": "12345678", "merchant": "8" * 15, "serial": "POSFW001"}
    return EmvParameters(aids, keys, **(fixed | changes))  # type: ignore[arg-type]  # tests' own words


@dataclass(slots=True)
class Counter:
    """Everybody round the terminal: who answers what, and what was asked.

    Attributes:
        transmit: the card.
        pins: what the cardholder types, entry by entry; "" passes over, "cancel" cancels.
        pad: the PIN pad works.
        choice: which application; -1 cancels.
        issuer: the bank; None is a line that is down.
        code: the bank's response code.
        unable: what a line that is down says.
        asked: every effect, in order.
    """

    transmit: Callable[[bytes], bytes]
    chance: Callable[[int], bytes]
    protocol: int = 1
    pins: list[str] = field(default_factory=list)
    pad: bool = True
    choice: int = 0
    issuer: Issuer | None = None
    code: str = "00"
    scripts: Sequence[Script] = ()
    unable: UnableToGoOnline = field(default_factory=UnableToGoOnline)
    history: CardHistory = field(default_factory=CardHistory)
    identity: bool = True
    asked: list[Effect] = field(default_factory=list, repr=False)
    apdus: int = 0

    def perform(self, effect: Effect) -> Answer:
        """Answer one effect."""
        self.asked.append(effect)
        match effect:
            case Transmit():
                return self._card(effect)
            case ChooseApplication():
                return Chosen(self.choice) if self.choice >= 0 else Cancelled()
            case ReviewCard():
                return self.history
            case EnterOfflinePin() | EnterOnlinePin():
                return self._pin(effect)
            case CheckIdentity():
                return IdentityChecked(self.identity)
            case AuthoriseOnline():
                return self._online(effect)
        raise MisuseError("Nothing follows the end.")

    def _card(self, effect: Transmit) -> Answer:
        self.apdus += 1
        try:
            return Response.from_bytes(self.transmit(effect.command.to_bytes(self.protocol)))
        except CardSlow as slow:
            in_time = slow.late_s < PATIENCE_S
            return Response.from_bytes(slow.answer) if in_time else CardGone(removed=False)
        except (CardPulled, CardDataError) as fault:
            return CardGone(removed=isinstance(fault, CardPulled))

    def _pin(self, effect: EnterOfflinePin | EnterOnlinePin) -> Answer:
        if not self.pad:
            return PinPadBroken()
        pin = self.pins.pop(0) if self.pins else ""
        if pin == "cancel":
            return Cancelled()
        if not pin:
            return PinBypassed()
        if isinstance(effect, EnterOnlinePin):
            return PinEntered(Secret(b"\x04" * 16))
        if effect.key is None:
            return PinEntered(Secret(plaintext_block(pin)))
        key = effect.key
        block = enciphered_block(
            pin, effect.challenge, key.modulus, key.exponent, key.size, self.chance
        )
        return PinEntered(Secret(block))

    def _online(self, effect: AuthoriseOnline) -> Answer:
        if self.issuer is None:
            return self.unable
        card = effect.card
        data, number, sequence = card.emv.reveal(), card.number.reveal(), card.sequence or 0
        code = self.code if self.issuer.genuine(data, number, sequence) else "05"
        return OnlineAnswer(
            code, self.issuer.answer(data, number, sequence, code=code, scripts=self.scripts)
        )


def run(kernel: Kernel, counter: Counter) -> Finished:
    """Perform effects to the end."""
    while (finished := kernel.finished) is None:
        kernel = step(kernel, counter.perform(kernel.effect))
    return finished
