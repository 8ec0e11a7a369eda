"""The secure element that a board names: opened, watched, opened again when a token comes back.

A production profile names `pkcs11`; keys in a file are for simulated boards only. While the
element is out of service every use raises one clear KeyStoreError: nothing is begun or half done.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from posfw.app.verbs import Body, Progress, Verb
from posfw.board.profile import BoardProfile
from posfw.board.site import Site
from posfw.keys import software
from posfw.ports import Clock, DataKey, KeyVault, MacKey
from posfw.staff.operators import Action
from posfw.values.card import CardNumber
from posfw.values.errors import ConfigError, KeyStoreError, RefusedError
from posfw.values.events import Record, Topic
from posfw.values.transaction import Standing

__all__ = ["KeyCare", "Keys", "load_keys", "open_keys", "set_transport_key"]

T = TypeVar("T")
Approve = Callable[[Body, Action, str], Awaitable[object]]


class Keys:
    """ports.KeyVault over whatever `opener` opens, and its state.

    Args:
        opener: opens the element; raises KeyStoreError.

    Raises:
        KeyStoreError: it cannot be opened at start-up.
    """

    def __init__(self, opener: Callable[[], KeyVault]) -> None:
        self._opener = opener
        self._element: KeyVault | None = opener()
        self._id = self._element.initial_key_id
        self._checks = self._element.check_values()
        self._fault: KeyStoreError | None = None
        self._wiped = False

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verb that tells how the keys stand."""
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

    def cmac_key(self, counter: int, *, answer: bool = False) -> MacKey:
        """Return the AES-CMAC key of a counter; its use is watched too."""
        key = self._use(lambda element: element.cmac_key(counter, answer=answer))
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

    def random(self, size: int) -> bytes:
        """Return random bytes of the element."""
        return self._use(lambda element: element.random(size))

    def check_values(self) -> tuple[bytes, bytes]:
        """Return the check values of the keys; known from start-up (ports.KeyVault)."""
        return self._checks

    def wipe(self) -> None:
        """Destroy the keys; from here on nothing is opened again."""
        self._use(lambda element: element.wipe())
        self._wiped = True
        self.broken(software.wiped())

    def _use(self, what: Callable[[KeyVault], T]) -> T:
        """Do something with the element; after a fault it is opened again first."""
        try:
            if self._wiped:
                raise software.wiped()
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

    def _reopened(self) -> KeyVault:
        element = self._opener()
        if element.initial_key_id != self._id:
            raise KeyStoreError("Another terminal's token is inserted.", code="SEC-014")
        return element

    async def _status(self, _: Body, __: Progress) -> Body:
        fault = self._fault
        check, secret_check = (value.hex() for value in self._checks)
        facts = {"key_id": self._id.hex(), "check": check, "secret_check": secret_check}
        if fault is None:
            return {"ok": True, "state": "in_service", **facts}
        return {
            "ok": False,
            "state": "out_of_service",
            **facts,
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


class _Journal(Protocol):
    async def standing(self) -> Standing: ...

    async def append(self, *records: Record) -> None: ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeyCare:
    """What is done to the keys of a running terminal: they are wiped before it leaves its owner.

    Attributes:
        keys: the terminal's.
        journal: says whether anything still needs them; the wipe is on record before it happens.
        approve: checks a request's approval and records it.
        clock: local time.
    """

    keys: Keys
    journal: _Journal
    approve: Approve
    clock: Clock

    def verbs(self) -> Mapping[str, Verb]:
        """Return the verbs."""
        return {**self.keys.verbs(), "keys_wipe": self._wipe}

    async def _wipe(self, body: Body, _: Progress) -> Body:
        left = await self._left()
        if left:
            raise RefusedError(
                f"The keys are still needed: {left}.",
                code="SEC-016",
                next_step="Wait for the line, then settle: posfw settle",
            )
        await self.approve(body, Action.KEYS, self.keys.initial_key_id.hex())
        facts = {"key_id": self.keys.initial_key_id.hex()}
        # Before: whoever finds the record and the keys knows that the wipe was cut off.
        await self.journal.append(
            Record(Topic.SYSTEM, "keys_wiped", self.clock.now(), body=dict(facts))
        )
        self.keys.wipe()
        return {"ok": True, "state": "wiped", **facts}

    async def _left(self) -> str:
        """Return what without keys could never reach the acquirer."""
        standing = await self.journal.standing()
        reasons = (
            (standing.in_doubt, "a transaction has not ended"),
            (standing.reversals, "a reversal is owed"),
            (standing.offline_count, "stored sales are not sent"),
            (standing.records, "the batch is not settled"),
        )
        return next((text for found, text in reasons if found), "")


def open_keys(board: BoardProfile, site: Site) -> Keys:
    """Open the element that the board's `keys.element` names.

    Raises:
        ConfigError: software keys on a board that is not simulated, or the site file lacks what
            the element needs.
        KeyStoreError: missing, locked, or without this terminal's keys.
    """
    if _kind(board) == "pkcs11":
        return Keys(lambda: _part("pkcs11").open_element(_session(site)))
    path = Path(_said(site, "file"))
    return Keys(lambda: software.load(path))


def load_keys(board: BoardProfile, site: Site, text: str, transport: Path | None) -> KeyVault:
    """Load a key block into the element that the board names; one with keys is left alone.

    Args:
        board: names the element.
        site: where it is.
        text: of the key block.
        transport: file of the transport key in hexadecimal, for the software element; a token
            has its own inside.

    Raises:
        ConfigError: as `open_keys`, or no transport key.
        KeyStoreError: there are keys, the block is not for this element, or it fails.
    """
    block = _part("block")
    given = block.KeyBlock.decode(text)
    if _kind(board) == "pkcs11":
        with closing(_session(site)) as session:
            _part("ceremony").load_block(session, given)
        element: KeyVault = _part("pkcs11").open_element(_session(site))
        return element
    if transport is None:
        raise ConfigError("The software element needs --transport: a file with its transport key.")
    path = Path(_said(site, "file"))
    made = block.opened(given, _transport_key(transport))
    made.save(path)
    return software.load(path)


def set_transport_key(board: BoardProfile, site: Site, path: Path) -> None:
    """Put the transport key of a file into the board's token: a key ceremony's one step.

    Raises:
        ConfigError: the board has no token, or the site file does not say where it is.
        KeyStoreError: no key of 32 bytes in the file, or the token fails.
    """
    if _kind(board) != "pkcs11":
        raise ConfigError("This board has no token; `posfw keys load` takes the transport key.")
    key = _transport_key(path)
    with closing(_session(site)) as session:
        _part("ceremony").set_transport_key(session, key)


def _kind(board: BoardProfile) -> str:
    kind = str(board.table("keys").get("element", "software"))
    if kind != "pkcs11" and not board.simulated:
        raise ConfigError(
            f"Board {board.id} is not a simulated one; the software secure element is refused.",
            code="CFG-010",
            next_step="Use a board with a PKCS#11 secure element.",
        )
    return kind


def _said(site: Site, name: str) -> str:
    found = site.keys.get(name, "")
    if not found:
        raise ConfigError(f"The site file lacks keys.{name}, which this board's element needs.")
    return found


def _transport_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(_secret_text(path))
    except ValueError:
        key = b""
    if len(key) != software.KEY_BYTES:
        raise KeyStoreError(
            f"The file {path} holds no key of 32 bytes.",
            code="SEC-003",
            next_step="Write 64 hexadecimal digits into it.",
        )
    return key


def _secret_text(path: Path) -> str:
    """Read a file that only its owner may read."""
    try:
        if path.stat().st_mode & 0o077:
            raise KeyStoreError(f"The file {path} can be read by others.", code="SEC-002")
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise KeyStoreError(f"The file {path} cannot be read: {error.strerror}.") from error


def _part(name: str) -> Any:
    """Import a part of posfw.keys: only who uses it needs what it needs."""
    try:
        return importlib.import_module(f"posfw.keys.{name}")
    except ImportError as error:
        raise ConfigError(
            "PKCS#11 is not installed.", next_step="Install posfw[pkcs11]."
        ) from error


def _session(site: Site) -> Any:
    library, label, pin_file = (_said(site, name) for name in ("library", "token", "pin_file"))
    token = _part("token")
    return token.open_session(library, label, _secret_text(Path(pin_file)))
