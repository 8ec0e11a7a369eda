"""AES DUKPT key derivation (ANSI X9.24-3:2017): one AES-ECB step over a 16-byte label.

This derives each transaction key from the initial key and keeps no intermediate registers; forward
secrecy is the secure element's business (keys/pkcs11), not of this arithmetic.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from posfw.values.errors import KeyStoreError, MisuseError

__all__ = [
    "LAST_COUNTER",
    "Algorithm",
    "Usage",
    "counter_steps",
    "ecb",
    "initial_key",
    "label",
    "label_blocks",
    "next_counter",
    "transaction_key",
    "working_key",
]

MAX_SET_BITS: Final = 16
LAST_COUNTER: Final = 0xFFFF0000


class Usage(IntEnum):
    """Key usage indicators, X9.24-3:2017, 6.3.2."""

    KEY_ENCRYPTION = 0x0002
    PIN_ENCRYPTION = 0x1000
    MAC_GENERATION = 0x2000
    MAC_VERIFICATION = 0x2001
    MAC_BOTH = 0x2002
    DATA_ENCRYPTION = 0x3000
    DATA_DECRYPTION = 0x3001
    DATA_BOTH = 0x3002
    KEY_DERIVATION = 0x8000
    INITIAL_KEY = 0x8001


class Algorithm(IntEnum):
    """Algorithm indicators, X9.24-3:2017, 6.3.2."""

    AES_128 = 2
    AES_192 = 3
    AES_256 = 4
    HMAC = 5


_AES = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}


def ecb(key: bytes, block: bytes) -> bytes:
    """Encrypt whole blocks with AES-ECB: the standard's derivation primitive, never for data."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - see above
    return encryptor.update(block) + encryptor.finalize()


def label(
    usage: Usage, size: int, key_id: bytes, counter: int | None, *, hmac: bool = False
) -> bytes:
    """Return the 16-byte derivation data for a key of `size` bytes.

    `counter` None means the initial key itself: then the whole 8-byte id goes in.
    """
    algorithm = Algorithm.HMAC if hmac else _AES[size]
    head = struct.pack(">BBHHH", 1, 1, usage, algorithm, size * 8)
    if counter is None:
        return head + key_id
    return head + key_id[4:8] + struct.pack(">I", counter)


def derive(key: bytes, data: bytes, size: int) -> bytes:
    """Return `size` bytes: one AES block for each started 128 bits."""
    return ecb(key, label_blocks(data, size))[:size]


def label_blocks(data: bytes, size: int) -> bytes:
    """Return the derivation data once for each started 128 bits, counted in byte 1."""
    count = (size + 15) // 16
    return b"".join(data[:1] + bytes([i + 1]) + data[2:] for i in range(count))


def initial_key(base_key: bytes, key_id: bytes) -> bytes:
    """Return a terminal's initial key from the acquirer's base derivation key.

    Args:
        base_key: BDK of 16, 24 or 32 bytes; the initial key has the same size.
        key_id: the 8-byte initial key ID.
    """
    if len(key_id) != 8 or len(base_key) not in _AES:
        raise MisuseError("A base key of 16, 24 or 32 bytes and an 8-byte id are needed.")
    return derive(base_key, label(Usage.INITIAL_KEY, len(base_key), key_id, None), len(base_key))


def counter_steps(counter: int) -> Iterator[int]:
    """Yield the counter's set bits added from the highest down: one key derivation each."""
    reached = 0
    for shift in range(31, -1, -1):
        if counter & 1 << shift:
            reached |= 1 << shift
            yield reached


def next_counter(counter: int) -> int:
    """Return the next usable counter; those with more than 16 set bits are skipped.

    Raises:
        KeyStoreError: no counter is left.
    """
    counter += 1
    while counter.bit_count() > MAX_SET_BITS:
        counter += counter & -counter
    if counter > LAST_COUNTER:
        raise KeyStoreError("The DUKPT counter is used up.", code="SEC-010")
    return counter


def transaction_key(first: bytes, key_id: bytes, counter: int) -> bytes:
    """Return the derivation key of a counter from the initial key `first`."""
    key, size = first, len(first)
    for reached in counter_steps(counter):
        key = derive(key, label(Usage.KEY_DERIVATION, size, key_id, reached), size)
    return key


def working_key(
    key: bytes, usage: Usage, key_id: bytes, counter: int, *, size: int, hmac: bool = False
) -> bytes:
    """Return the key that does something; `size` may be less than the transaction key's."""
    return derive(key, label(usage, size, key_id, counter, hmac=hmac), size)
