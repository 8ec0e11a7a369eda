"""The software secure element: for hosts, QEMU and the simulated bank, never for production.

Whoever reads the process memory or the key file reads every key: production profiles refuse it.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from posfw.crypto.dukpt import Usage, transaction_key, working_key
from posfw.values.card import CardNumber
from posfw.values.errors import AuthenticityError, KeyStoreError, MisuseError

__all__ = ["SoftwareElement", "create", "load"]

KEY_BYTES = 32
TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True, repr=False)
class HmacKey:
    """ports.MacKey over key bytes."""

    key: bytes

    def mac(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256."""
        return hmac.digest(self.key, data, "sha256")


@dataclass(frozen=True, slots=True, repr=False)
class GcmKey:
    """ports.DataKey over key bytes."""

    key: bytes

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag."""
        return AESGCM(self.key).encrypt(nonce, plaintext, aad)

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext; raises AuthenticityError when the tag does not fit."""
        try:
            return AESGCM(self.key).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise AuthenticityError("Encrypted data does not verify.") from error


class SoftwareElement:
    """ports.SecureElement with the keys in memory.

    Args:
        initial_key: AES-256 DUKPT initial key, 32 bytes.
        initial_key_id: 8 bytes.
        secret: 32 bytes from which token and chain keys are derived.
    """

    __slots__ = ("_first", "_id", "_secret")

    def __init__(self, initial_key: bytes, initial_key_id: bytes, secret: bytes) -> None:
        sizes = (len(initial_key), len(initial_key_id), len(secret))
        if sizes != (KEY_BYTES, 8, KEY_BYTES):
            raise MisuseError(f"Keys of {sizes} bytes; 32, 8 and 32 are needed.")
        self._first = initial_key
        self._id = initial_key_id
        self._secret = secret

    @property
    def initial_key_id(self) -> bytes:
        """The 8-byte initial key ID."""
        return self._id

    def mac_key(self, counter: int, *, answer: bool = False) -> HmacKey:
        """Return the HMAC key of a counter: usage 0x2000, for answers 0x2001."""
        usage = Usage.MAC_VERIFICATION if answer else Usage.MAC_GENERATION
        return HmacKey(self._working(counter, usage, use_hmac=True))

    def data_key(self, counter: int) -> GcmKey:
        """Return the AES-256 data key of a counter: usage 0x3000."""
        return GcmKey(self._working(counter, Usage.DATA_ENCRYPTION, use_hmac=False))

    def token(self, number: CardNumber) -> bytes:
        """Return 16 bytes that stand for a card number."""
        text = b"token" + number.reveal().encode()
        return hmac.digest(self._secret, text, "sha256")[:TOKEN_BYTES]

    def chain_key(self) -> bytes:
        """Return the start key of the journal's chain."""
        return hmac.digest(self._secret, b"chain", "sha256")

    def _working(self, counter: int, usage: Usage, *, use_hmac: bool) -> bytes:
        key = transaction_key(self._first, self._id, counter)
        return working_key(key, usage, self._id, counter, size=KEY_BYTES, hmac=use_hmac)

    def __repr__(self) -> str:
        return f"<software element {self._id.hex()}>"


def create(path: Path, *, initial_key: bytes, initial_key_id: bytes, secret: bytes) -> None:
    """Write a key file that only its owner can read; an existing file is left alone.

    Raises:
        KeyStoreError: the file exists or cannot be written.
    """
    body = {
        "initial_key": initial_key.hex(),
        "initial_key_id": initial_key_id.hex(),
        "secret": secret.hex(),
    }
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(body, file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyStoreError(f"The key file {path} cannot be written: {error.strerror}.") from error


def load(path: Path) -> SoftwareElement:
    """Read a key file.

    Raises:
        KeyStoreError: missing, readable by others, or damaged.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise KeyStoreError(f"The key file {path} can be read by others.", code="SEC-002")
        body = json.loads(path.read_text(encoding="ascii"))
        return SoftwareElement(
            bytes.fromhex(body["initial_key"]),
            bytes.fromhex(body["initial_key_id"]),
            bytes.fromhex(body["secret"]),
        )
    except OSError as error:
        raise KeyStoreError(f"The key file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, MisuseError) as error:
        raise KeyStoreError(f"The key file {path} is damaged.", code="SEC-003") from error
