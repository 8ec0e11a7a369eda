"""A simulated PIN pad and cardholder: makes the data of VERIFY as an approved device would.

The PIN exists only in here; the kernel sees blocks (EMV Book 3, table 24; Book 2, 7.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from posfw.sim.chip.ber import cn
from posfw.values.card import Secret
from posfw.values.errors import DeviceError
from posfw.values.money import Money

__all__ = ["CardPad", "enciphered_block", "plaintext_block"]


def plaintext_block(pin: str) -> bytes:
    """Return 2, length, digits, filled with F: eight bytes."""
    return bytes.fromhex(f"2{len(pin):X}") + cn(pin, 7)


def enciphered_block(
    pin: str,
    challenge: bytes,
    modulus: int,
    exponent: int,
    size: int,
    chance: Callable[[int], bytes],
) -> bytes:
    """Return 7F, block, challenge and chance under the card's key."""
    data = b"\x7f" + plaintext_block(pin) + challenge
    data += chance(size - len(data))
    return pow(int.from_bytes(data, "big"), exponent, modulus).to_bytes(size, "big")


@dataclass(slots=True)
class CardPad:
    """ports.CardPinPad with a cardholder at it.

    Attributes:
        pins: what they type, entry by entry; "" passes over, "cancel" cancels, none left: silent.
        shielded: pad and slot are one device.
        prompts: which texts the pad showed.
    """

    chance: Callable[[int], bytes] = field(repr=False)
    pins: list[str] = field(default_factory=list, repr=False)
    shielded: bool = True
    prompts: list[int] = field(default_factory=list)

    async def plaintext_block(self, amount: Money, prompt_id: int) -> Secret | None:
        """Return VERIFY's data in plaintext."""
        pin = await self._typed(amount, prompt_id)
        return None if pin is None else Secret(plaintext_block(pin) if pin else b"")

    async def enciphered_block(
        self, modulus: bytes, exponent: int, challenge: bytes, amount: Money, prompt_id: int
    ) -> Secret | None:
        """Return VERIFY's data under the card's key."""
        pin = await self._typed(amount, prompt_id)
        if not pin:
            return None if pin is None else Secret(b"")
        number = int.from_bytes(modulus, "big")
        return Secret(
            enciphered_block(pin, challenge, number, exponent, len(modulus), self.chance)
        )

    async def _typed(self, amount: Money, prompt_id: int) -> str | None:
        del amount  # shown above the prompt
        await anyio.lowlevel.checkpoint()
        self.prompts.append(prompt_id)
        if not self.pins:
            raise DeviceError("The PIN pad does not answer.")
        pin = self.pins.pop(0)
        return None if pin == "cancel" else pin
