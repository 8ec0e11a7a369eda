"""An open PKCS#11 token: how it is opened, what its faults mean, what a key of it may do."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType

from posfw.values.errors import KeyStoreError

__all__ = [
    "GENERIC",
    "GONE",
    "INITIAL_LABEL",
    "SECRET_LABEL",
    "TRANSPORT_LABEL",
    "destroy",
    "fault",
    "faults",
    "forget",
    "only",
    "open_session",
]

GENERIC: Final = KeyType.GENERIC_SECRET
INITIAL_LABEL: Final = "posfw initial key"
SECRET_LABEL: Final = "posfw secret"  # noqa: S105 - the name of a token object
TRANSPORT_LABEL: Final = "posfw transport key"
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
GONE: Final = _FAULTS[0][0] + _FAULTS[3][0]


def only(*uses: Attribute) -> dict[Attribute, Any]:
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
        raise fault("The token does not open", error) from error


def _logged_in(token: Any, pin: str) -> Any:
    try:
        return token.open(user_pin=pin, rw=True)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=True)  # a login holds for the process, not for one session


def fault(what: str, error: Exception) -> KeyStoreError:
    """Return the fault with the stable code of what went wrong."""
    for kinds, code, next_step in _FAULTS:
        if isinstance(error, kinds):
            return KeyStoreError(
                f"{what}: {type(error).__name__}.", code=code, next_step=next_step
            )
    return KeyStoreError(f"{what}: {type(error).__name__}.")


def destroy(session: Any, label: str) -> None:
    """Destroy every object of this label."""
    for each in list(session.get_objects({Attribute.LABEL: label})):
        each.destroy()


def forget(key: Any) -> None:
    """Destroy a session object; a session that ended has taken it along."""
    with suppress(pkcs11.PKCS11Error):
        key.destroy()


class faults:  # noqa: N801 - used as a verb, like contextlib's
    """Turn what a token reports inside the block into the fault with its stable code."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, pkcs11.PKCS11Error):
            raise fault(self._what, error) from error
