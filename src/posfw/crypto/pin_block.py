"""ISO 9564-1:2017 format 4 PIN blocks: for the simulated PIN pad and bank, and for vectors.

posfw itself takes no PIN: an approved device makes the block.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from posfw.crypto.dukpt import ecb
from posfw.values.errors import MisuseError

__all__ = ["decrypt", "encrypt", "pan_field", "pin_field", "pin_of"]


def pin_field(pin: str, filler: bytes) -> bytes:
    """Return control 4, length, PIN, fill digits A, then 8 bytes that are random for every PIN."""
    if not (4 <= len(pin) <= 12 and pin.isascii() and pin.isdigit()) or len(filler) != 8:
        raise MisuseError("A PIN of 4 to 12 digits and 8 random bytes are needed.")
    return bytes.fromhex(f"4{len(pin):X}{pin}".ljust(16, "A")) + filler


def pan_field(pan: str) -> bytes:
    """Return the PAN's length over 12, the PAN padded left to 12 digits, then zeros."""
    if not (1 <= len(pan) <= 19 and pan.isascii() and pan.isdigit()):
        raise MisuseError("A card number of 1 to 19 digits is needed.")
    digits = pan.rjust(12, "0")
    return bytes.fromhex(f"{len(digits) - 12}{digits}".ljust(32, "0"))


def encrypt(pin_key: bytes, pin: bytes, pan: bytes) -> bytes:
    """Encrypt the PIN field, mix in the PAN field, encrypt again (ISO 9564-1, 9.4.2)."""
    mixed = bytes(a ^ b for a, b in zip(ecb(pin_key, pin), pan, strict=True))
    return ecb(pin_key, mixed)


def decrypt(pin_key: bytes, block: bytes, pan: bytes) -> bytes:
    """Return the PIN field of a block; the way back of `encrypt`."""
    decryptor = Cipher(algorithms.AES(pin_key), modes.ECB()).decryptor  # noqa: S305 - one block

    def back(data: bytes) -> bytes:
        step = decryptor()
        return step.update(data) + step.finalize()

    mixed = back(block)
    return back(bytes(a ^ b for a, b in zip(mixed, pan, strict=True)))


def pin_of(field: bytes) -> str:
    """Return the PIN of a decrypted field, "" where it is none: another key, number or block."""
    head = field[:8].hex().upper()
    size = int(head[1], 16)
    pin, fill = head[2 : 2 + size], head[2 + size :]
    whole = head[0] == "4" and 4 <= size <= 12 and pin.isdigit() and not fill.strip("A")
    return pin if whole else ""
