"""Application cryptograms, ARPC and script MACs (EMV Book 2, chapter 8, annexes A1.2–A1.4).

Triple DES as the payment systems use it. The UnionPay session key is PBOC's as generally known;
no published value was found to judge it (tests/emv/vectors/issuer.json judges the others).
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

__all__ = [
    "arpc_1",
    "arpc_2",
    "common_session_key",
    "mac",
    "master_key",
    "script_mac",
    "unionpay_session_key",
]

BLOCK: Final = 8


def _des3(key: bytes, block: bytes) -> bytes:
    cipher = Cipher(TripleDES(key + key[:8]), modes.ECB())  # noqa: S305 - single blocks, as the Book has it
    return cipher.encryptor().update(block)


def _des(key: bytes, block: bytes) -> bytes:
    return _des3(key * 2, block)  # three times the same key is single DES


def _odd(key: bytes) -> bytes:
    return bytes((byte & 0xFE) | (bin(byte >> 1).count("1") + 1 & 1) for byte in key)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def master_key(issuer_key: bytes, pan: str, sequence: int) -> bytes:
    """Return the card's key: option A, option B above 16 digits (Book 2, A1.4)."""
    text = f"{pan}{sequence:02d}"
    if len(pan) > 16:
        padded = text.zfill(len(text) + len(text) % 2)
        digest = hashlib.sha1(bytes.fromhex(padded), usedforsecurity=False).hexdigest()
        digits = [each for each in digest if each.isdecimal()]
        digits += [str(int(each, 16) - 10) for each in digest if not each.isdecimal()]
        text = "".join(digits)[:16]
    block = bytes.fromhex(text[-16:].zfill(16))
    return _odd(_des3(issuer_key, block) + _des3(issuer_key, _xor(block, b"\xff" * BLOCK)))


def common_session_key(key: bytes, value: bytes) -> bytes:
    """Return the EMV common session key over 8 bytes, ATC and zeros for cryptograms (A1.3)."""
    left = value[:2] + b"\xf0" + value[3:]
    right = value[:2] + b"\x0f" + value[3:]
    return _odd(_des3(key, left) + _des3(key, right))


def unionpay_session_key(key: bytes, atc: bytes) -> bytes:
    """Return PBOC's session key: ATC for the left half, its complement for the right."""
    left = bytes(6) + atc
    right = bytes(6) + _xor(atc, b"\xff\xff")
    return _odd(_des3(key, left) + _des3(key, right))


def mac(key: bytes, data: bytes, *, pad_one: bool = True) -> bytes:
    """Return the 8-byte MAC of ISO/IEC 9797-1 algorithm 3 (Book 2, A1.2.1).

    Args:
        key: 16 bytes.
        data: of any length.
        pad_one: padding method 2 (80 00…), else method 1 (zeros) as Visa's version 10 has it.
    """
    padded = data + b"\x80" if pad_one else data
    padded += bytes(-len(padded) % BLOCK)
    state = bytes(BLOCK)
    for at in range(0, len(padded), BLOCK):
        state = _des(key[:8], _xor(state, padded[at : at + BLOCK]))
    decrypt = Cipher(TripleDES(key[8:] * 3), modes.ECB()).decryptor()  # noqa: S305 - one block
    return _des(key[:8], decrypt.update(state))


def arpc_1(key: bytes, arqc: bytes, response_code: bytes) -> bytes:
    """Return ARPC method 1, 8 bytes (Book 2, 8.2.1)."""
    return _des3(key, _xor(arqc, response_code.ljust(BLOCK, b"\x00")))


def arpc_2(key: bytes, arqc: bytes, status: bytes) -> bytes:
    """Return ARPC method 2, 4 bytes over the Card Status Update (Book 2, 8.2.2)."""
    return mac(key, arqc + status)[:4]


def script_mac(key: bytes, head: bytes, atc: bytes, arqc: bytes, data: bytes) -> bytes:
    """Return a script command's MAC: session key from the ARQC (Book 2, 9.2, format 2)."""
    session = common_session_key(key, arqc)
    return mac(session, head + atc + arqc + data)
