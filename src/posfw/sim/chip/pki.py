"""Generated CA, issuer and card keys, and what they sign (EMV Book 2, chapters 5 to 7).

Every key is new in every process. Certificates follow tables 1, 2, 9 and 10 of the Book.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from posfw.sim.chip.ber import cn

__all__ = ["CardKeys", "Key", "authority", "certify_card", "certify_issuer", "make_key", "sign"]

HASH_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA key pair. The private exponent stays in the process that made it."""

    modulus: int
    public: int
    private: int
    size: int

    @property
    def modulus_bytes(self) -> bytes:
        """The modulus in full length."""
        return self.modulus.to_bytes(self.size, "big")

    @property
    def exponent_bytes(self) -> bytes:
        """03, or 010001."""
        return self.public.to_bytes((self.public.bit_length() + 7) // 8, "big")

    def apply(self, data: bytes) -> bytes:
        """Sign or decipher one block as long as the key."""
        number = _power(int.from_bytes(data, "big"), self.private, self.modulus)
        return number.to_bytes(self.size, "big")


# A card's certificates are the same whenever it is made anew, so a campaign computes them once.
_power = lru_cache(maxsize=1024)(pow)


@dataclass(frozen=True, slots=True)
class CardKeys:
    """What a card carries of the chain: certificates as the terminal reads them.

    Attributes:
        objects: tags 8F, 90, 92, 9F32 and, for cards with a key, 9F46, 9F47, 9F48 and 9F2D…9F2F.
    """

    icc: Key
    pin: Key
    objects: dict[int, bytes]


def make_key(bits: int, exponent: int = 3) -> Key:
    """Return a new key."""
    made = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    numbers = made.private_numbers()
    return Key(numbers.public_numbers.n, exponent, numbers.d, bits // 8)


@cache
def authority(rid: bytes, bits: int = 1984, exponent: int = 3) -> Key:
    """Return this process's key of a payment system."""
    del rid  # one key a payment system: part of the cache's key only
    return make_key(bits, exponent)


@cache
def spare(role: str, bits: int, exponent: int = 3) -> Key:
    """Return a key for a role, made once: a fleet of test cards need not differ in it."""
    del role
    return make_key(bits, exponent)


def sign(key: Key, kind: int, body: bytes, trailing: bytes = b"") -> bytes:
    """Return header, format, body, hash and trailer under a key; `body` is filled with BB."""
    room = key.size - 3 - HASH_BYTES
    content = bytes((kind,)) + body.ljust(room, b"\xbb")
    digest = hashlib.sha1(content + trailing, usedforsecurity=False).digest()
    return key.apply(b"\x6a" + content + digest + b"\xbc")


def certify_issuer(
    ca: Key, issuer: Key, pan: str, *, expires: str = "1249", serial: bytes = b"\x00\x00\x01"
) -> tuple[bytes, bytes]:
    """Return issuer certificate (90) and remainder (92)."""
    head = cn(pan[:6], 4) + bytes.fromhex(expires) + serial + _algorithms(issuer)
    return _certificate(ca, 0x02, head, issuer, b"")


def certify_card(
    issuer: Key,
    icc: Key,
    pan: str,
    static: bytes,
    *,
    expires: str = "1249",
    serial: bytes = b"\x00\x00\x02",
) -> tuple[bytes, bytes]:
    """Return card certificate (9F46, or 9F2D with empty `static`) and remainder."""
    head = cn(pan, 10) + bytes.fromhex(expires) + serial + _algorithms(icc)
    return _certificate(issuer, 0x04, head, icc, static)


def _algorithms(key: Key) -> bytes:
    return bytes((1, 1, key.size, len(key.exponent_bytes)))


def _certificate(
    signer: Key, kind: int, head: bytes, key: Key, static: bytes
) -> tuple[bytes, bytes]:
    room = signer.size - 3 - HASH_BYTES - len(head)
    remainder = key.modulus_bytes[room:]
    trailing = remainder + key.exponent_bytes + static
    return sign(signer, kind, head + key.modulus_bytes[:room], trailing), remainder
