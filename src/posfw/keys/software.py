"""The software secure element: for hosts, QEMU and the simulated bank, never for production.

Whoever reads the process memory or the key file reads every key: production profiles refuse it.
"""

from __future__ import annotations

import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from posfw.crypto import pin_block
from posfw.crypto.dukpt import Usage, transaction_key, working_key
from posfw.values.card import CardNumber
from posfw.values.errors import AuthenticityError, KeyStoreError, MisuseError

__all__ = ["SoftwareElement", "create", "load", "wiped"]

KEY_BYTES: Final = 32
TOKEN_BYTES: Final = 16
CHECK_BYTES: Final = 5  # as long as the key check value of an AES key (X9.24-1:2017, annex A)
SIZES: Final = (16, 32)


@dataclass(frozen=True, slots=True, repr=False)
class HmacKey:
    """ports.MacKey over key bytes."""

    key: bytes

    def mac(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256."""
        return hmac.digest(self.key, data, "sha256")


@dataclass(frozen=True, slots=True, repr=False)
class CmacKey:
    """ports.MacKey over key bytes, with AES-CMAC (NIST SP 800-38B)."""

    key: bytes

    def mac(self, data: bytes) -> bytes:
        """Return the 16-byte code."""
        made = CMAC(AES(self.key))
        made.update(data)
        return made.finalize()


@dataclass(frozen=True, slots=True, repr=False)
class PinKey:
    """A PIN encryption key: for a simulated PIN pad and vectors, never the product's PIN entry."""

    key: bytes

    def encrypt(self, pin_field: bytes, pan_field: bytes) -> bytes:
        """Return an ISO 9564-1 format 4 block of 16 bytes."""
        return pin_block.encrypt(self.key, pin_field, pan_field)

    def decrypt(self, block: bytes, pan_field: bytes) -> bytes:
        """Return the PIN field: what the simulated bank's security module does."""
        return pin_block.decrypt(self.key, block, pan_field)


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
    """ports.KeyVault with the keys in memory.

    Args:
        initial_key: DUKPT initial key: 32 bytes; 16 make CMAC and PIN keys only, for vectors.
        initial_key_id: 8 bytes.
        secret: 32 bytes from which token and chain keys are derived.
    """

    __slots__ = ("_first", "_id", "_path", "_secret")

    def __init__(self, initial_key: bytes, initial_key_id: bytes, secret: bytes) -> None:
        if len(initial_key) not in SIZES or (len(initial_key_id), len(secret)) != (8, KEY_BYTES):
            sizes = (len(initial_key), len(initial_key_id), len(secret))
            raise MisuseError(f"Keys of {sizes} bytes; 32, 8 and 32 are needed.")
        self._first = initial_key
        self._id = initial_key_id
        self._secret = secret
        self._path: Path | None = None

    def kept_in(self, path: Path) -> SoftwareElement:
        """Return itself; `wipe` erases this file too."""
        self._path = path
        return self

    @property
    def initial_key_id(self) -> bytes:
        """The 8-byte initial key ID."""
        return self._id

    def mac_key(self, counter: int, *, answer: bool = False) -> HmacKey:
        """Return the HMAC key of a counter: usage 0x2000, for answers 0x2001."""
        return HmacKey(self._working(counter, _mac_usage(answer=answer), KEY_BYTES, use_hmac=True))

    def cmac_key(self, counter: int, *, answer: bool = False, size: int = KEY_BYTES) -> CmacKey:
        """Return the AES-CMAC key of a counter: usage 0x2000, for answers 0x2001."""
        return CmacKey(self._working(counter, _mac_usage(answer=answer), size))

    def data_key(self, counter: int, *, size: int = KEY_BYTES) -> GcmKey:
        """Return the AES data key of a counter: usage 0x3000."""
        return GcmKey(self._working(counter, Usage.DATA_ENCRYPTION, size))

    def pin_key(self, counter: int, *, size: int = KEY_BYTES) -> PinKey:
        """Return the PIN encryption key of a counter: usage 0x1000."""
        return PinKey(self._working(counter, Usage.PIN_ENCRYPTION, size))

    def token(self, number: CardNumber) -> bytes:
        """Return 16 bytes that stand for a card number."""
        text = b"token" + number.reveal().encode()
        return hmac.digest(self._alive(self._secret), text, "sha256")[:TOKEN_BYTES]

    def chain_key(self) -> bytes:
        """Return the start key of the journal's chain."""
        return hmac.digest(self._alive(self._secret), b"chain", "sha256")

    def random(self, size: int) -> bytes:
        """Return random bytes of the operating system."""
        return os.urandom(size)

    def check_values(self) -> tuple[bytes, bytes]:
        """Return what tells keys apart and is none, 5 bytes each (ports.KeyVault)."""
        first = self.cmac_key(1, size=len(self._alive(self._first))).mac(self._id)
        other = hmac.digest(self._secret, b"check", "sha256")
        return first[:CHECK_BYTES], other[:CHECK_BYTES]

    def save(self, path: Path) -> None:
        """Write the keys into a file that only its owner can read; see `create`."""
        create(path, initial_key=self._first, initial_key_id=self._id, secret=self._secret)

    def wipe(self) -> None:
        """Forget the keys for ever; the key file is overwritten and removed.

        A flash file system may keep the old bytes elsewhere: this element is for hosts only.

        Raises:
            KeyStoreError: the file cannot be removed.
        """
        self._first = self._secret = b""
        if self._path is not None:
            _erase(self._path)

    def _alive(self, key: bytes) -> bytes:
        if not key:
            raise wiped()
        return key

    def _working(self, counter: int, usage: Usage, size: int, *, use_hmac: bool = False) -> bytes:
        first = self._alive(self._first)
        if size > len(first):
            # X9.24-3:2017, 6.3.1: no derived key is stronger than the one it comes from.
            raise MisuseError(f"A key of {size} bytes cannot come from one of {len(first)}.")
        key = transaction_key(first, self._id, counter)
        return working_key(key, usage, self._id, counter, size=size, hmac=use_hmac)

    def __repr__(self) -> str:
        return f"<software element {self._id.hex()}>"


def _mac_usage(*, answer: bool) -> Usage:
    return Usage.MAC_VERIFICATION if answer else Usage.MAC_GENERATION


def wiped() -> KeyStoreError:
    """Return the fault of every use after a wipe."""
    return KeyStoreError(
        "The keys of this terminal were wiped.",
        code="SEC-015",
        next_step="Load new keys: posfw keys load",
    )


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
    except FileExistsError as error:
        raise KeyStoreError(
            f"There are keys in {path}.",
            code="SEC-004",
            effect="No key was changed.",
            next_step="Wipe them first: posfw keys wipe",
        ) from error
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
        ).kept_in(path)
    except OSError as error:
        raise KeyStoreError(f"The key file {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, MisuseError) as error:
        raise KeyStoreError(f"The key file {path} is damaged.", code="SEC-003") from error


def _erase(path: Path) -> None:
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError as error:
        raise KeyStoreError(f"The key file {path} is not erased: {error.strerror}.") from error
