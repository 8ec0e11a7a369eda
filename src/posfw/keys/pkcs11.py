"""The secure element behind PKCS#11: keys are derived, used and kept inside the token.

C_DeriveKey with CKM_AES_ECB_ENCRYPT_DATA is the AES DUKPT step (SoftHSM2 2.6.1: 86 us measured).
No key is extractable; derived keys are session objects, gone with the session. SoftHSM2 is
software and protects nothing by itself: it is the token that proves this code.
"""

from __future__ import annotations

from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from posfw.crypto.dukpt import Usage, counter_steps, label_blocks
from posfw.crypto.dukpt import label as derivation_label
from posfw.values.card import CardNumber
from posfw.values.errors import AuthenticityError, KeyStoreError, MisuseError

__all__ = ["Pkcs11Element", "open_session", "provision"]

KEY_BYTES: Final = 32
TOKEN_BYTES: Final = 16
INITIAL_LABEL: Final = "posfw initial key"
SECRET_LABEL: Final = "posfw secret"  # noqa: S105 - the name of a token object
_USES: Final = (
    Attribute.DERIVE,
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
)
_FAULTS: Final = (
    (
        (pkcs11.NoSuchToken, pkcs11.TokenNotPresent, pkcs11.DeviceRemoved),
        "SEC-011",
        "Insert the token; the terminal opens it by itself.",
    ),
    ((pkcs11.PinIncorrect, pkcs11.PinInvalid), "SEC-012", "Correct the PIN file and restart."),
    ((pkcs11.PinLocked,), "SEC-013", "Call service: the token's PIN is locked."),
    (
        (pkcs11.SessionClosed, pkcs11.SessionHandleInvalid, pkcs11.UserNotLoggedIn),
        "SEC-011",
        "Insert the token; the terminal opens it by itself.",
    ),
)


def _only(*uses: Attribute) -> dict[Attribute, Any]:
    """Return a template that allows these uses, and never reading the value."""
    hidden = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    return hidden | dict.fromkeys(_USES, False) | dict.fromkeys(uses, True)


def open_session(library: str, token_label: str, pin: str) -> Any:
    """Return a logged-in session; the caller closes it.

    Raises:
        KeyStoreError: no library (SEC-001), no such token (SEC-011), a wrong PIN (SEC-012), a PIN
            locked after wrong ones (SEC-013).
    """
    try:
        return _logged_in(pkcs11.lib(library).get_token(token_label=token_label), pin)
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise _fault("The token does not open", error) from error


def _logged_in(token: Any, pin: str) -> Any:
    try:
        return token.open(user_pin=pin, rw=True)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=True)  # a login holds for the process, not for one session


def _fault(what: str, error: Exception) -> KeyStoreError:
    """Return the fault with the stable code of what went wrong."""
    for kinds, code, next_step in _FAULTS:
        if isinstance(error, kinds):
            return KeyStoreError(
                f"{what}: {type(error).__name__}.", code=code, next_step=next_step
            )
    return KeyStoreError(f"{what}: {type(error).__name__}.")


def provision(session: Any, *, initial_key: bytes, initial_key_id: bytes, secret: bytes) -> None:
    """Put the terminal's two keys into the token; a token that has them is left alone.

    The keys cross the interface in clear: a device is provisioned in a key ceremony.

    Raises:
        KeyStoreError: the token already has keys, or refuses them.
    """
    sizes = (len(initial_key), len(initial_key_id), len(secret))
    if sizes != (KEY_BYTES, 8, KEY_BYTES):
        raise MisuseError(f"Keys of {sizes} bytes; 32, 8 and 32 are needed.")
    common: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: True}
    common |= {Attribute.PRIVATE: True, Attribute.ID: initial_key_id}
    first = {Attribute.KEY_TYPE: KeyType.AES, Attribute.LABEL: INITIAL_LABEL}
    other = {Attribute.KEY_TYPE: KeyType.GENERIC_SECRET, Attribute.LABEL: SECRET_LABEL}
    try:
        if list(session.get_objects({Attribute.LABEL: INITIAL_LABEL})):
            raise KeyStoreError("The token already has an initial key.", code="SEC-004")
        session.create_object(
            _only(Attribute.DERIVE) | common | first | {Attribute.VALUE: initial_key}
        )
        session.create_object(_only(Attribute.SIGN) | common | other | {Attribute.VALUE: secret})
    except pkcs11.PKCS11Error as error:
        raise KeyStoreError(f"The token refused a key: {type(error).__name__}.") from error


class TokenMacKey:
    """ports.MacKey inside the token."""

    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    def mac(self, data: bytes) -> bytes:
        """Return HMAC-SHA-256."""
        try:
            return bytes(self._key.sign(data, mechanism=Mechanism.SHA256_HMAC))
        except pkcs11.PKCS11Error as error:
            raise _fault("The token failed", error) from error


class TokenDataKey:
    """ports.DataKey inside the token."""

    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and 16-byte tag."""
        try:
            return bytes(
                self._key.encrypt(
                    plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, aad)
                )
            )
        except pkcs11.PKCS11Error as error:
            raise _fault("The token failed", error) from error

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext; raises AuthenticityError when the tag does not fit."""
        try:
            return bytes(
                self._key.decrypt(
                    ciphertext, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, aad)
                )
            )
        except pkcs11.PKCS11Error as error:
            if isinstance(error, _FAULTS[0][0] + _FAULTS[3][0]):
                raise _fault("The token failed", error) from error
            # SoftHSM2 reports a wrong tag as GeneralError: it cannot be told from other faults.
            raise AuthenticityError("Encrypted data does not verify.") from error


class Pkcs11Element:
    """ports.SecureElement over an open session; it must outlive the element."""

    __slots__ = ("_first", "_id", "_secret")

    def __init__(self, session: Any) -> None:
        try:
            self._first = session.get_key(label=INITIAL_LABEL)
            self._secret = TokenMacKey(session.get_key(label=SECRET_LABEL))
            self._id = bytes(self._first[Attribute.ID])
        except pkcs11.NoSuchKey as error:
            raise KeyStoreError("The token has no keys of this terminal.") from error
        except pkcs11.PKCS11Error as error:
            raise _fault("The token does not open", error) from error

    @property
    def initial_key_id(self) -> bytes:
        """The 8-byte initial key ID."""
        return self._id

    def mac_key(self, counter: int, *, answer: bool = False) -> TokenMacKey:
        """Return the HMAC key of a counter: usage 0x2000, for answers 0x2001."""
        usage = Usage.MAC_VERIFICATION if answer else Usage.MAC_GENERATION
        data = derivation_label(usage, KEY_BYTES, self._id, counter, hmac=True)
        key = self._transaction_key(counter)
        return TokenMacKey(_derive(key, data, KeyType.GENERIC_SECRET, _only(Attribute.SIGN)))

    def data_key(self, counter: int) -> TokenDataKey:
        """Return the AES-256 data key of a counter: usage 0x3000."""
        data = derivation_label(Usage.DATA_ENCRYPTION, KEY_BYTES, self._id, counter)
        uses = _only(Attribute.ENCRYPT, Attribute.DECRYPT)
        return TokenDataKey(_derive(self._transaction_key(counter), data, KeyType.AES, uses))

    def token(self, number: CardNumber) -> bytes:
        """Return 16 bytes that stand for a card number."""
        return self._secret.mac(b"token" + number.reveal().encode())[:TOKEN_BYTES]

    def chain_key(self) -> bytes:
        """Return the start key of the journal's chain."""
        return self._secret.mac(b"chain")

    def _transaction_key(self, counter: int) -> Any:
        key = self._first
        for reached in counter_steps(counter):
            data = derivation_label(Usage.KEY_DERIVATION, KEY_BYTES, self._id, reached)
            key = _derive(key, data, KeyType.AES, _only(Attribute.DERIVE))
        return key

    def __repr__(self) -> str:
        return f"<token element {self._id.hex()}>"


def _derive(key: Any, data: bytes, kind: KeyType, template: dict[Attribute, Any]) -> Any:
    try:
        return key.derive_key(
            kind,
            KEY_BYTES * 8,
            mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
            mechanism_param=label_blocks(data, KEY_BYTES),
            template=template,
        )
    except pkcs11.PKCS11Error as error:
        raise _fault("The token derives no key", error) from error


def _gcm(nonce: bytes, aad: bytes) -> Any:
    return pkcs11.GCMParams(nonce, aad)
