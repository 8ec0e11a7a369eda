"""How a terminal's keys come into its token: wrapped, or in a key ceremony."""

from __future__ import annotations

from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from posfw.keys.block import KeyBlock, not_ours
from posfw.keys.pkcs11 import Pkcs11Element
from posfw.keys.software import KEY_BYTES, SIZES
from posfw.keys.token import (
    GENERIC,
    GONE,
    INITIAL_LABEL,
    SECRET_LABEL,
    TRANSPORT_LABEL,
    destroy,
    faults,
    forget,
    only,
)
from posfw.values.errors import KeyStoreError, MisuseError

__all__ = ["load_block", "provision", "set_transport_key"]

_SECRET_KEY: Final[dict[Attribute, Any]] = {Attribute.CLASS: ObjectClass.SECRET_KEY}


def _kept(label: str, key_id: bytes, *uses: Attribute) -> dict[Attribute, Any]:
    """Return the template of a key that stays in the token."""
    there = {Attribute.TOKEN: True, Attribute.PRIVATE: True}
    return only(*uses) | there | {Attribute.LABEL: label, Attribute.ID: key_id}


def set_transport_key(session: Any, key: bytes) -> None:
    """Put the key that only unwraps others into the token: the one step of a key ceremony.

    It crosses the interface in clear, once, where nobody listens; an older one is replaced.

    Raises:
        KeyStoreError: the token refuses it.
    """
    if len(key) != KEY_BYTES:
        raise MisuseError(f"A transport key of {len(key)} bytes; {KEY_BYTES} are needed.")
    kind = {Attribute.KEY_TYPE: KeyType.AES, Attribute.VALUE: key}
    template = _kept(TRANSPORT_LABEL, b"", Attribute.UNWRAP)
    with faults("The token refused the transport key"):
        destroy(session, TRANSPORT_LABEL)
        session.create_object(_SECRET_KEY | kind | template)


def load_block(session: Any, block: KeyBlock) -> None:
    """Unwrap a terminal's keys inside the token; a token that has keys is left alone.

    Tried first as session objects: nothing stays in the token of a block that does not fit. The
    initial key comes last: with it the keys are whole, without it what lies there is taken away.

    Raises:
        KeyStoreError: SEC-004, there are keys; SEC-017, another transport key or a changed block;
            SEC-018, no transport key; or the token fails.
    """
    with faults("The token refused a key"):
        _check_empty(session)
        try:
            transport = session.get_key(label=TRANSPORT_LABEL)
        except pkcs11.NoSuchKey as error:
            raise KeyStoreError(
                "The token has no transport key.",
                code="SEC-018",
                next_step="Set one in a key ceremony: posfw keys transport",
            ) from error
        first = _unwrapped(transport, block.initial_key, KeyType.AES, only(Attribute.DERIVE))
        secret = _unwrapped(transport, block.secret, GENERIC, only(Attribute.SIGN))
        tried = Pkcs11Element(session, first, secret, block.key_id)
        fits = tried.check_values() == (block.check, block.secret_check)
        forget(first)
        forget(secret)
        if not fits:
            raise not_ours("The key block's check values do not fit its keys.")
        template = _kept(SECRET_LABEL, block.key_id, Attribute.SIGN)
        _unwrapped(transport, block.secret, GENERIC, template)
        template = _kept(INITIAL_LABEL, block.key_id, Attribute.DERIVE)
        _unwrapped(transport, block.initial_key, KeyType.AES, template)


def provision(session: Any, *, initial_key: bytes, initial_key_id: bytes, secret: bytes) -> None:
    """Put the terminal's two keys into the token; a token that has them is left alone.

    The keys cross the interface in clear: for tests and for a ceremony; else `load_block`.

    Raises:
        KeyStoreError: the token already has keys, or refuses them.
    """
    if len(initial_key) not in SIZES or (len(initial_key_id), len(secret)) != (8, KEY_BYTES):
        sizes = (len(initial_key), len(initial_key_id), len(secret))
        raise MisuseError(f"Keys of {sizes} bytes; 32, 8 and 32 are needed.")
    with faults("The token refused a key"):
        _check_empty(session)
        for label, kind, use, value in (
            (SECRET_LABEL, GENERIC, Attribute.SIGN, secret),
            (INITIAL_LABEL, KeyType.AES, Attribute.DERIVE, initial_key),
        ):
            template = _kept(label, initial_key_id, use)
            template |= {Attribute.KEY_TYPE: kind, Attribute.VALUE: value}
            session.create_object(_SECRET_KEY | template)


def _unwrapped(transport: Any, data: bytes, kind: KeyType, template: dict[Attribute, Any]) -> Any:
    try:
        return transport.unwrap_key(
            ObjectClass.SECRET_KEY,
            kind,
            data,
            mechanism=Mechanism.AES_KEY_WRAP,
            template=template,
        )
    except pkcs11.PKCS11Error as error:
        if isinstance(error, GONE):
            raise
        # SoftHSM2 reports a wrong integrity check as GeneralError.
        raise not_ours("The key block was not made for this token's transport key.") from error


def _check_empty(session: Any) -> None:
    """Refuse a token with keys; take away what a power cut left of a load."""
    if list(session.get_objects({Attribute.LABEL: INITIAL_LABEL})):
        raise KeyStoreError(
            "The token already has keys.",
            code="SEC-004",
            effect="No key was changed.",
            next_step="Wipe them first: posfw keys wipe",
        )
    destroy(session, SECRET_LABEL)
