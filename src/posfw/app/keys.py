"""The secure element that a board names: opened, watched, opened again when a token comes back.

A production profile names `pkcs11`; keys in a file are for simulated boards only. While the
element is out of service every use raises one clear KeyStoreError: nothing is begun or half done.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from posfw.app.verbs import Body, Progress, Verb
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.keys import software
from posfw.ports import DataKey, MacKey, SecureElement
from posfw.values.card import CardNumber
from posfw.values.errors import ConfigError, KeyStoreError

__all__ = ["Keys", "open_keys"]

T = TypeVar("T")


class Keys:
    """ports.SecureElement over whatever `opener` opens, and its state.

    Args:
        opener: opens the element; raises KeyStoreError.

    Raises:
        KeyStoreError: it cannot be opened at start-up.
    """

    def __init__(self, opener: Callable[[], SecureElement]) -> None:
        self._opener = opener
        self._element: SecureElement | None = opener()
        self._id = self._element.initial_key_id
        self._fault: KeyStoreError | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the keys' verbs."""
        return {"keys": self._status}

    @property
    def fault(self) -> KeyStoreError | None:
        """Why the element is out of service, None while it works."""
        return self._fault

    @property
    def initial_key_id(self) -> bytes:
        """The 8-byte initial key ID; known from start-up, also while the token is away."""
        return self._id

    def mac_key(self, counter: int, *, answer: bool = False) -> MacKey:
        """Return the HMAC key of a counter; its use is watched too."""
        key = self._use(lambda element: element.mac_key(counter, answer=answer))
        return _WatchedMac(self, key)

    def data_key(self, counter: int) -> DataKey:
        """Return the AES-256 data key of a counter; its use is watched too."""
        return _WatchedData(self, self._use(lambda element: element.data_key(counter)))

    def token(self, number: CardNumber) -> bytes:
        """Return 16 bytes that stand for a card number."""
        return self._use(lambda element: element.token(number))

    def chain_key(self) -> bytes:
        """Return the start key of the journal's chain."""
        return self._use(lambda element: element.chain_key())

    def _use(self, what: Callable[[SecureElement], T]) -> T:
        """Do something with the element; after a fault it is opened again first."""
        try:
            if self._element is None:
                self._element = self._reopened()
            result = what(self._element)
        except KeyStoreError as error:
            self.broken(error)
            raise
        self._fault = None
        return result

    def broken(self, error: KeyStoreError) -> None:
        """Note that a use failed: the next one opens the element again."""
        self._element, self._fault = None, error

    def _reopened(self) -> SecureElement:
        element = self._opener()
        if element.initial_key_id != self._id:
            raise KeyStoreError("Another terminal's token is inserted.", code="SEC-014")
        return element

    async def _status(self, _: Body, __: Progress) -> Body:
        fault = self._fault
        if fault is None:
            return {"ok": True, "state": "in_service", "key_id": self._id.hex()}
        return {
            "ok": False,
            "state": "out_of_service",
            "code": fault.stable_code,
            "cause": fault.cause,
            "next_step": fault.next_step_text,
        }


class _WatchedMac:
    __slots__ = ("_key", "_owner")

    def __init__(self, owner: Keys, key: MacKey) -> None:
        self._owner, self._key = owner, key

    def mac(self, data: bytes) -> bytes:
        """Return the 32-byte code."""
        try:
            return self._key.mac(data)
        except KeyStoreError as error:
            self._owner.broken(error)
            raise


class _WatchedData:
    __slots__ = ("_key", "_owner")

    def __init__(self, owner: Keys, key: DataKey) -> None:
        self._owner, self._key = owner, key

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag."""
        try:
            return self._key.encrypt(nonce, plaintext, aad)
        except KeyStoreError as error:
            self._owner.broken(error)
            raise

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext."""
        return self._key.decrypt(nonce, ciphertext, aad)


def open_keys(board: BoardProfile, site: Site) -> Keys:
    """Open the element that the board's `keys.element` names.

    Raises:
        ConfigError: software keys on a board that is not simulated, or the site file lacks what
            the element needs.
        KeyStoreError: missing, locked, or without this terminal's keys.
    """
    kind = str(board.table("keys").get("element", "software"))
    if kind == "pkcs11":
        library, label, pin_file = (_said(site, name) for name in ("library", "token", "pin_file"))
        return Keys(lambda: _token(library, label, Path(pin_file)))
    if not board.simulated:
        raise ConfigError(
            f"Board {board.id} is not a simulated one; the software secure element is refused.",
            code="CFG-010",
            next_step="Use a board with a PKCS#11 secure element.",
        )
    path = Path(_said(site, "file"))
    return Keys(lambda: software.load(path))


def _said(site: Site, name: str) -> str:
    found = site.keys.get(name, "")
    if not found:
        raise ConfigError(f"The site file lacks keys.{name}, which this board's element needs.")
    return found


def _token(library: str, label: str, pin_file: Path) -> SecureElement:
    try:
        pkcs11: Any = importlib.import_module("posfw.keys.pkcs11")
    except ImportError as error:
        raise ConfigError(
            "PKCS#11 is not installed.", next_step="Install posfw[pkcs11]."
        ) from error
    try:
        if pin_file.stat().st_mode & 0o077:
            raise KeyStoreError(f"The file {pin_file} can be read by others.", code="SEC-002")
        pin = pin_file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise KeyStoreError(f"The file {pin_file} cannot be read: {error.strerror}.") from error
    element: SecureElement = pkcs11.Pkcs11Element(pkcs11.open_session(library, label, pin))
    return element
