"""The secure element behind PKCS#11: keys are derived, used and kept inside the token.

C_DeriveKey with CKM_AES_ECB_ENCRYPT_DATA is the AES DUKPT step (SoftHSM2 2.6.1: 86 us measured).
No key is extractable. Derived keys are session objects and are destroyed as soon as nobody holds
them: kept until the session ends, each exchange would cost the token 14 KiB (measured, SoftHSM2).
SoftHSM2 is software and protects nothing by itself: it is the token that proves this code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism

from posfw.crypto.dukpt import Usage, counter_steps, label_blocks
from posfw.crypto.dukpt import label as derivation_label
from posfw.keys.software import CHECK_BYTES, KEY_BYTES, TOKEN_BYTES, wiped
from posfw.keys.token import (
    GENERIC,
    GONE,
    INITIAL_LABEL,
    SECRET_LABEL,
    destroy,
    fault,
    faults,
    forget,
    only,
)
from posfw.values.card import CardNumber
from posfw.values.errors import AuthenticityError, KeyStoreError, MisuseError

__all__ = ["Pkcs11Element", "open_element"]

T = TypeVar("T")


class _TokenKey:
    """A derived key; the token's object goes when nobody holds it any more."""

    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    def __del__(self) -> None:
        forget(self._key)


class TokenMacKey(_TokenKey):
    """ports.MacKey inside the token."""

    __slots__ = ()
    mechanism = Mechanism.SHA256_HMAC

    def mac(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256."""
        with faults("The token failed"):
            return bytes(self._key.sign(data, mechanism=self.mechanism))


class TokenCmacKey(TokenMacKey):
    """ports.MacKey inside the token, with AES-CMAC."""

    __slots__ = ()
    mechanism = Mechanism.AES_CMAC


class TokenPinKey(_TokenKey):
    """A PIN encryption key inside the token; see posfw.keys.software.PinKey."""

    __slots__ = ()

    def encrypt(self, pin_field: bytes, pan_field: bytes) -> bytes:
        """Return an ISO 9564-1 format 4 block of 16 bytes."""
        with faults("The token failed"):
            first = self._key.encrypt(pin_field, mechanism=Mechanism.AES_ECB)
            mixed = bytes(a ^ b for a, b in zip(first, pan_field, strict=True))
            return bytes(self._key.encrypt(mixed, mechanism=Mechanism.AES_ECB))


class TokenDataKey(_TokenKey):
    """ports.DataKey inside the token."""

    __slots__ = ()

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and 16-byte tag."""
        with faults("The token failed"):
            gcm = pkcs11.GCMParams(nonce, aad)
            made = self._key.encrypt(plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=gcm)
            return bytes(made)

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext; raises AuthenticityError when the tag does not fit."""
        gcm = pkcs11.GCMParams(nonce, aad)
        try:
            made = self._key.decrypt(ciphertext, mechanism=Mechanism.AES_GCM, mechanism_param=gcm)
        except pkcs11.PKCS11Error as error:
            if isinstance(error, GONE):
                raise fault("The token failed", error) from error
            # SoftHSM2 reports a wrong tag as GeneralError: it cannot be told from other faults.
            raise AuthenticityError("Encrypted data does not verify.") from error
        return bytes(made)


def open_element(session: Any) -> Pkcs11Element:
    """Return the element over the keys that lie in the token.

    Raises:
        KeyStoreError: SEC-001, none; or the token fails.
    """
    try:
        first = session.get_key(label=INITIAL_LABEL)
        secret = session.get_key(label=SECRET_LABEL)
        return Pkcs11Element(session, first, secret, bytes(first[Attribute.ID]))
    except pkcs11.NoSuchKey as error:
        raise KeyStoreError(
            "The token has no keys of this terminal.",
            next_step="Load its keys: posfw keys load",
        ) from error
    except pkcs11.PKCS11Error as error:
        raise fault("The token does not open", error) from error


class Pkcs11Element:
    """ports.KeyVault over an open session; it must outlive the element.

    Args:
        session: logged in; closed by whoever opened it.
        first: the initial key.
        secret: the key of card tokens and journal chain.
        key_id: the 8-byte initial key ID.
    """

    __slots__ = ("_first", "_id", "_secret", "_session", "_size")

    def __init__(self, session: Any, first: Any, secret: Any, key_id: bytes) -> None:
        self._session, self._first, self._secret, self._id = session, first, secret, key_id
        # SoftHSM2 gives 0 for an unwrapped key; a key block holds no other size.
        self._size = int(first[Attribute.VALUE_LEN]) or KEY_BYTES

    @property
    def initial_key_id(self) -> bytes:
        """The 8-byte initial key ID."""
        return self._id

    def mac_key(self, counter: int, *, answer: bool = False) -> TokenMacKey:
        """Return the HMAC key of a counter: usage 0x2000, for answers 0x2001."""
        usage, uses = _mac_usage(answer=answer), only(Attribute.SIGN)
        return TokenMacKey(self._working(counter, usage, KEY_BYTES, GENERIC, uses))

    def cmac_key(
        self, counter: int, *, answer: bool = False, size: int = KEY_BYTES
    ) -> TokenCmacKey:
        """Return the AES-CMAC key of a counter: usage 0x2000, for answers 0x2001."""
        usage, uses = _mac_usage(answer=answer), only(Attribute.SIGN)
        return TokenCmacKey(self._working(counter, usage, size, KeyType.AES, uses))

    def data_key(self, counter: int, *, size: int = KEY_BYTES) -> TokenDataKey:
        """Return the AES data key of a counter: usage 0x3000."""
        usage, uses = Usage.DATA_ENCRYPTION, only(Attribute.ENCRYPT, Attribute.DECRYPT)
        return TokenDataKey(self._working(counter, usage, size, KeyType.AES, uses))

    def pin_key(self, counter: int, *, size: int = KEY_BYTES) -> TokenPinKey:
        """Return the PIN encryption key of a counter: usage 0x1000."""
        usage, uses = Usage.PIN_ENCRYPTION, only(Attribute.ENCRYPT)
        return TokenPinKey(self._working(counter, usage, size, KeyType.AES, uses))

    def token(self, number: CardNumber) -> bytes:
        """Return 16 bytes that stand for a card number."""
        return self._signed(b"token" + number.reveal().encode())[:TOKEN_BYTES]

    def chain_key(self) -> bytes:
        """Return the start key of the journal's chain."""
        return self._signed(b"chain")

    def random(self, size: int) -> bytes:
        """Return random bytes of the token."""
        with faults("The token failed"):
            return bytes(self._session.generate_random(size * 8))

    def check_values(self) -> tuple[bytes, bytes]:
        """Return what tells keys apart and is none, 5 bytes each (ports.KeyVault)."""
        first = self.cmac_key(1, size=self._size).mac(self._id)
        return first[:CHECK_BYTES], self._signed(b"check")[:CHECK_BYTES]

    def wipe(self) -> None:
        """Destroy both keys in the token, the initial key first; the transport key stays.

        Raises:
            KeyStoreError: the token fails; without the initial key it holds no whole keys.
        """
        with faults("The token did not wipe its keys"):
            for label in (INITIAL_LABEL, SECRET_LABEL):
                destroy(self._session, label)
        self._first = self._secret = None

    def _signed(self, data: bytes) -> bytes:
        if self._secret is None:
            raise wiped()
        with faults("The token failed"):
            return bytes(self._secret.sign(data, mechanism=Mechanism.SHA256_HMAC))

    def _working(
        self, counter: int, usage: Usage, size: int, kind: KeyType, uses: dict[Attribute, Any]
    ) -> Any:
        if self._first is None:
            raise wiped()
        if size > self._size:
            # X9.24-3:2017, 6.3.1: no derived key is stronger than the one it comes from.
            raise MisuseError(f"A key of {size} bytes cannot come from one of {self._size}.")
        data = derivation_label(usage, size, self._id, counter, hmac=kind is GENERIC)
        return self._with_transaction_key(
            counter, lambda key: _derive(key, data, size, kind, uses)
        )

    def _with_transaction_key(self, counter: int, use: Callable[[Any], T]) -> T:
        """Derive step by step and forget each step once the next one is there."""
        key, step = self._first, only(Attribute.DERIVE)
        try:
            for reached in counter_steps(counter):
                data = derivation_label(Usage.KEY_DERIVATION, self._size, self._id, reached)
                before, key = key, _derive(key, data, self._size, KeyType.AES, step)
                if before is not self._first:
                    forget(before)
            return use(key)
        finally:
            if key is not self._first:
                forget(key)

    def __repr__(self) -> str:
        return f"<token element {self._id.hex()}>"


def _mac_usage(*, answer: bool) -> Usage:
    return Usage.MAC_VERIFICATION if answer else Usage.MAC_GENERATION


def _derive(
    key: Any, data: bytes, size: int, kind: KeyType, template: dict[Attribute, Any]
) -> Any:
    with faults("The token derives no key"):
        return key.derive_key(
            kind,
            size * 8,
            mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
            mechanism_param=label_blocks(data, size),
            template=template,
        )
