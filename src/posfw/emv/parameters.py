"""What the acquirer tells the kernel: applications, action codes, CA keys, terminal data.

All of it is data (EMV Book 4, chapter 10 and annex A); `loading` makes it from plain values of a
TOML file or a CBOR message. Nothing here has a default that would approve more than it says.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from posfw.emv.bits import Capability
from posfw.values.card import CardNumber

__all__ = ["AidParameters", "CaKey", "EmvParameters", "ExceptionFile", "Revoked"]

DEFAULT_DDOL: Final = bytes.fromhex("9F3704")  # Book 2, 6.5.1: the unpredictable number at least
ONLINE_ONLY: Final = frozenset({0x11, 0x14, 0x21, 0x24, 0x34})
EXCEPTION_BYTES: Final = 8
OFFLINE_ONLY: Final = frozenset({0x13, 0x16, 0x23, 0x26, 0x36})


@dataclass(frozen=True, slots=True)
class CaKey:
    """A payment system's public key (Book 2, 11.2), told apart by RID and index.

    Attributes:
        checksum: SHA-1 over RID, index, modulus and exponent; a key whose checksum does not fit
            is not used (`intact`).
        expires: last day of use, None where the payment system gives none.
    """

    rid: bytes
    index: int
    modulus: bytes
    exponent: bytes
    checksum: bytes
    expires: date | None = None

    @property
    def intact(self) -> bool:
        """Whether the checksum fits."""
        content = self.rid + bytes((self.index,)) + self.modulus + self.exponent
        # The Books fix SHA-1 (Book 2, annex B2.1); it is a checksum here, not a signature.
        return hashlib.sha1(content, usedforsecurity=False).digest() == self.checksum


@dataclass(frozen=True, slots=True)
class Revoked:
    """An issuer certificate on the revocation list (Book 2, 5.1.2)."""

    rid: bytes
    index: int
    serial: bytes


@dataclass(frozen=True, slots=True)
class ExceptionFile:
    """Cards that are never taken without their issuer (Book 3, 10.6; Book 4, 6.3.5).

    No card number is kept: each stands as the first eight bytes of HMAC-SHA-256 over its digits.
    Whoever holds the file can still try numbers one by one: it is the acquirer's, not public.

    Attributes:
        salt: the HMAC's key, the acquirer's choice, new with each file.
        cards: what stands for each number.
    """

    salt: bytes = b""
    cards: frozenset[bytes] = frozenset()

    def stands_for(self, number: CardNumber) -> bytes:
        """Return what stands for a number in this file."""
        return hmac.digest(self.salt, number.reveal().encode("ascii"), "sha256")[:EXCEPTION_BYTES]

    def lists(self, number: CardNumber) -> bool:
        """Whether a card is listed."""
        return bool(self.cards) and self.stands_for(number) in self.cards


@dataclass(frozen=True, slots=True)
class AidParameters:
    """One application the terminal takes, with its risk parameters.

    Attributes:
        aid: 5 to 16 bytes.
        tac_denial: five bytes as a number; likewise the two others (Book 3, 10.7).
        version: 9F09.
        floor_minor: 9F1B; an amount that reaches it goes online (Book 3, 10.6.1).
        threshold_minor: below it selection is plainly random (Book 3, 10.6.2).
        target_percent: share of small amounts sent online.
        max_target_percent: share just under the floor limit.
        partial: names that begin with `aid` match too (Application Selection Indicator).
        ddol: default list where the card gives none.
        tdol: default list where the card gives none.
    """

    aid: bytes
    tac_denial: int
    tac_online: int
    tac_default: int
    version: bytes = b"\x00\x8c"
    floor_minor: int = 0
    threshold_minor: int = 0
    target_percent: int = 0
    max_target_percent: int = 0
    partial: bool = True
    ddol: bytes = DEFAULT_DDOL
    tdol: bytes = b""

    @property
    def rid(self) -> bytes:
        """The payment system: the first five bytes."""
        return self.aid[:5]


@dataclass(frozen=True, slots=True)
class EmvParameters:
    """Everything the kernel knows before a card comes.

    Attributes:
        exceptions: cards that must go online.
        country: ISO 3166 number of the terminal (9F1A).
        terminal_type: 9F35; 0x22 attended, offline with online capability, merchant's.
        capabilities: 9F33 as a number.
        additional: 9F40.
        terminal: eight characters (9F1C); merchant: fifteen (9F16).
        choice: the cardholder can choose and confirm an application (Book 1, 12.4).
        pin_bypass: an empty PIN entry is passed on as "not entered" instead of cancelling.
        identity_check: the cashier can compare an identity document (UnionPay CVM 100000).
    """

    aids: tuple[AidParameters, ...]
    ca_keys: tuple[CaKey, ...] = ()
    revoked: tuple[Revoked, ...] = ()
    exceptions: ExceptionFile = ExceptionFile()
    country: int = 156
    terminal_type: int = 0x22
    capabilities: int = 0xE0F8C8
    additional: bytes = bytes.fromhex("6000F0A001")
    terminal: str = ""
    merchant: str = ""
    merchant_name: str = ""
    category: int = 5311
    acquirer: int = 0
    serial: str = ""
    choice: bool = True
    pin_bypass: bool = True
    identity_check: bool = False
    _keys: dict[tuple[bytes, int], CaKey] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        # Checksums are proven once when parameters are loaded, not once a sale (Book 2, 11.2.2).
        self._keys.update({(key.rid, key.index): key for key in self.ca_keys if key.intact})

    @property
    def can_go_online(self) -> bool:
        """Whether the terminal type has a line (Book 4, annex A1)."""
        return self.terminal_type not in OFFLINE_ONLY

    @property
    def online_only(self) -> bool:
        """Whether the terminal type never approves by itself."""
        return self.terminal_type in ONLINE_ONLY

    def can(self, capability: int) -> bool:
        """Whether 9F33 has one of `Capability`'s bits."""
        return self.capabilities & capability != 0

    def ca_key(self, rid: bytes, index: int, today: date) -> CaKey | None:
        """Return the key if it is there, intact and not expired."""
        key = self._keys.get((rid, index))
        if key is None or (key.expires is not None and key.expires < today):
            return None
        return key

    def is_revoked(self, rid: bytes, index: int, serial: bytes) -> bool:
        """Whether an issuer certificate is on the revocation list."""
        return Revoked(rid, index, serial) in self.revoked

    @property
    def offline_pin(self) -> bool:
        """Whether the PIN pad can give a PIN to the card."""
        return self.can(Capability.PLAINTEXT_PIN | Capability.ENCIPHERED_PIN)
