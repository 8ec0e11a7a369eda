"""A terminal's keys on their way into it: wrapped with AES-KW, so the file is worth nothing alone.

Both keys are wrapped (RFC 3394, a 64-bit integrity check each) under a transport key that the
element already has; a token unwraps them inside. AES-KW does not bind the key ID: two check values
do, and show the loader that what it unwrapped is what the sender meant.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from posfw.keys.software import CHECK_BYTES, KEY_BYTES, SoftwareElement
from posfw.values.errors import KeyStoreError, MisuseError

__all__ = ["KeyBlock", "opened", "sealed"]

_FORMAT: Final = "posfw.keys"
_VERSION: Final = 1
_WRAPPED_BYTES: Final = KEY_BYTES + 8
_SIZES: Final = {
    "key_id": 8,
    "initial_key": _WRAPPED_BYTES,
    "secret": _WRAPPED_BYTES,
    "check": CHECK_BYTES,
    "secret_check": CHECK_BYTES,
}


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """Two wrapped keys and what they must answer.

    Attributes:
        key_id: the 8-byte initial key ID.
        initial_key: the AES-256 DUKPT initial key, wrapped: 40 bytes.
        secret: the key of card tokens and journal chain, wrapped: 40 bytes.
        check: 5 bytes, see `ports.KeyVault.check_values`.
        secret_check: 5 bytes.
    """

    key_id: bytes
    initial_key: bytes
    secret: bytes
    check: bytes
    secret_check: bytes

    def encode(self) -> str:
        """Return the file's text."""
        facts: dict[str, Any] = {"format": _FORMAT, "version": _VERSION}
        facts |= {name: getattr(self, name).hex() for name in _SIZES}
        return json.dumps(facts, indent=2) + "\n"

    @classmethod
    def decode(cls, text: str) -> KeyBlock:
        """Read the file's text.

        Raises:
            KeyStoreError: SEC-017, another form.
        """
        try:
            return cls(**_parts(json.loads(text)))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise not_ours("This file is no key block.") from error


def _parts(facts: Any) -> dict[str, bytes]:
    if facts.keys() != {"format", "version", *_SIZES}:
        raise ValueError("names")
    if (facts["format"], facts["version"]) != (_FORMAT, _VERSION):
        raise ValueError("version")
    parts = {name: bytes.fromhex(facts[name]) for name in _SIZES}
    if {name: len(part) for name, part in parts.items()} != _SIZES:
        raise ValueError("sizes")
    return parts


def not_ours(cause: str) -> KeyStoreError:
    """Return the fault of a block that cannot be used here."""
    return KeyStoreError(
        cause,
        code="SEC-017",
        effect="No key was changed.",
        next_step="Ask the key centre for a block made for this terminal's transport key.",
    )


def sealed(transport: bytes, *, initial_key: bytes, initial_key_id: bytes, secret: bytes) -> str:
    """Return the text of a key block: the key centre's side, and tests'.

    Raises:
        MisuseError: keys of wrong sizes.
    """
    if (len(initial_key), len(secret), len(initial_key_id)) != (KEY_BYTES, KEY_BYTES, 8):
        raise MisuseError("Two keys of 32 bytes and an 8-byte id are needed.")
    element = SoftwareElement(initial_key, initial_key_id, secret)
    check, secret_check = element.check_values()
    wrapped = [aes_key_wrap(transport, key) for key in (initial_key, secret)]
    return KeyBlock(initial_key_id, wrapped[0], wrapped[1], check, secret_check).encode()


def opened(block: KeyBlock, transport: bytes) -> SoftwareElement:
    """Unwrap in this process, for the software element.

    Raises:
        KeyStoreError: SEC-017, another transport key, or changed.
    """
    try:
        initial, secret = (
            aes_key_unwrap(transport, each) for each in (block.initial_key, block.secret)
        )
    except (InvalidUnwrap, ValueError) as error:
        raise not_ours("The key block was not made for this transport key.") from error
    element = SoftwareElement(initial, block.key_id, secret)
    if element.check_values() != (block.check, block.secret_check):
        raise not_ours("The key block's check values do not fit its keys.")
    return element
