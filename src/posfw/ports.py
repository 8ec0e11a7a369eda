"""The interfaces through which slices meet; `app` joins them.

Each has a real side and a fake that passes the same contract tests.

Asynchronous calls are durable on return where their docstring says so, and cancel-safe everywhere:
a cancelled call has either happened wholly or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from posfw.values.card import CardNumber, CardRead, Secret
from posfw.values.events import Record, Topic
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Outcome
from posfw.values.printjob import Copy, DocumentRef, Job, JobState
from posfw.values.transaction import (
    Begun,
    Conclusion,
    Intent,
    Owed,
    Standing,
    Stored,
    Transaction,
)

if TYPE_CHECKING:
    from posfw.values.document import Document  # the printer's part loads it

__all__ = [
    "Acquirer",
    "BatchJournal",
    "Battery",
    "CardPinPad",
    "CardReader",
    "Charge",
    "Clock",
    "Documents",
    "HeadSensor",
    "InputLines",
    "KeyVault",
    "Keypad",
    "Lamps",
    "OwedJournal",
    "PinPad",
    "PrintJournal",
    "Printer",
    "Random",
    "Records",
    "SaleJournal",
    "SecureElement",
    "Watchdog",
]


class Clock(Protocol):
    """Two clocks that never mix: monotonic seconds for waiting, local time for people."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never jumps."""
        ...

    def now(self) -> datetime:
        """Local time with its zone; may jump."""
        ...


class Random(Protocol):
    """Chance that tests can seed."""

    def token(self, size: int) -> bytes:
        """Return `size` bytes fit for nonces."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Return a number for jitter and random selection."""
        ...


class SaleJournal(Protocol):
    """What a sale needs of the journal."""

    async def begin(self, intent: Intent) -> Begun:
        """Commit 1: allocate STAN and DUKPT counter and record the intent; durable on return."""
        ...

    async def conclude(self, conclusion: Conclusion) -> None:
        """Commit 2: ending, receipt jobs and owed messages at once; durable on return."""
        ...

    async def transaction(self, key: Key) -> Transaction | None:
        """Return one transaction as it stands."""
        ...

    async def in_doubt(self) -> Sequence[Transaction]:
        """Return transactions begun and not concluded, oldest first."""
        ...

    async def standing(self) -> Standing:
        """Return what limits are checked against."""
        ...

    async def stored(self, card_token: bytes) -> Stored:
        """Return what the card of this token has bought without a line and is still unsent."""
        ...


class OwedJournal(Protocol):
    """What the uplink needs of the journal."""

    async def owed(self, limit: int, after: int = 0) -> Sequence[Owed]:
        """Return owed messages: script results, reversals, advices, uploads; in sending order.

        At most `limit` of each kind, of a kind those with greater numbers than `after`: many
        messages of one kind never hide another kind's.
        """
        ...

    async def acknowledge(self, owed: Owed, code: str, at: datetime) -> None:
        """End an owed message by the acquirer's word; durable on return."""
        ...

    async def reject(self, owed: Owed, code: str, at: datetime) -> None:
        """Move it to the list that a person sees: refused by the acquirer, never sent again."""
        ...

    async def clear(self, owed: Owed, operator: str, reason: str, at: datetime) -> None:
        """End it by a supervisor's signed reason."""
        ...

    async def reserve_counters(self, count: int) -> int:
        """Reserve `count` DUKPT counters and return the first; durable on return."""
        ...

    async def changed(self) -> None:
        """Return when something owed was added since the last call returned."""
        ...


class PrintJournal(Protocol):
    """What the printer needs of the journal: the queue is rows, never memory."""

    async def next_job(self) -> Job | None:
        """Return the job to print now: a paused or settlement one first, then oldest first."""
        ...

    async def mark(self, job: Job, state: JobState, band: int, reason: str, at: datetime) -> None:
        """Move a job to another state; durable on return."""
        ...

    async def enqueue(
        self, ref: DocumentRef, copy: Copy, at: datetime, *, duplicate: bool = False
    ) -> Job:
        """Queue one copy; a second request for the same copy of a document is a duplicate."""
        ...

    async def jobs(self, state: JobState) -> Sequence[Job]:
        """Return jobs in a state, oldest first."""
        ...

    async def changed_jobs(self) -> None:
        """Return when a job was added or moved since the last call returned."""
        ...


class BatchJournal(Protocol):
    """What settlement needs of the journal."""

    async def transactions(self, batch: int | None = None) -> Sequence[Transaction]:
        """Return the transactions of a batch (the open one), in STAN order."""
        ...

    async def freeze(self, at: datetime) -> int:
        """Refuse new transactions until `close`; return the batch number; durable."""
        ...

    async def thaw(self, batch: int, reason: str, at: datetime) -> None:
        """Take new transactions again: the acquirer clearly did not settle; durable."""
        ...

    async def close(self, batch: int, result: Mapping[str, object], at: datetime) -> int:
        """Close the batch, queue its slip, open the next; return the new number; durable."""
        ...

    async def batches(self, limit: int) -> Sequence[Mapping[str, object]]:
        """Return closed batches with their settlements, newest first."""
        ...


class Records(Protocol):
    """The stream of everything that is not money."""

    async def append(self, *records: Record) -> None:
        """Append in one transaction; durable on return."""
        ...

    async def read(self, topic: Topic, after: int = 0) -> Sequence[Record]:
        """Return a topic's records in order."""
        ...


class Acquirer(Protocol):
    """The acquirer as a sale, settlement and activation see it."""

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        """Ask online under the transaction's own key; ends by the authorisation time limit.

        Sends script results and reversals first. `Unreachable` only when no byte left.
        """
        ...

    async def inquire(self, key: Key) -> Outcome:
        """Ask how a key stands: Approved, Declined, NotFound, or Unreachable/Unknown."""
        ...

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        """Return the card data, without PIN block, under the transaction's own key."""
        ...

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        """Exchange a management message (sign_on, settle, upload, parameters, activation…).

        Raises:
            LinkError: no matching answer within the time limit.
        """
        ...

    @property
    def online(self) -> bool:
        """Whether the line is up now, by heartbeat."""
        ...


class CardReader(Protocol):
    """A way in for cards."""

    def reads(self) -> AsyncIterator[CardRead | str]:
        """Yield cards, and stable codes (CRD-…) for reads that failed, until cancelled."""
        ...


class PinPad(Protocol):
    """A device that takes the PIN; the PIN itself never reaches posfw."""

    async def pin_block(self, number: CardNumber, amount: Money, prompt_id: int) -> Secret | None:
        """Return an ISO 9564-1 format 4 block, or None when the customer cancelled.

        A pad with keys of its own appends the 12-byte serial number of the block's key.

        Raises:
            DeviceError: no answer.
        """
        ...


class CardPinPad(Protocol):
    """A device that takes the PIN for the card's own check (EMV Book 2, chapter 7).

    Both calls return the data of VERIFY, an empty secret when the customer passed the entry over,
    None when they cancelled.
    """

    @property
    def shielded(self) -> bool:
        """Whether pad and slot share one protected housing.

        Without it no PIN goes to a card in plaintext (Book 2, 11.1).
        """
        ...

    async def plaintext_block(self, amount: Money, prompt_id: int) -> Secret | None:
        """Return the eight bytes of Book 3, table 24.

        Raises:
            DeviceError: no answer.
        """
        ...

    async def enciphered_block(
        self, modulus: bytes, exponent: int, challenge: bytes, amount: Money, prompt_id: int
    ) -> Secret | None:
        """Return the block under the card's key, with its challenge (Book 2, 7.2).

        Raises:
            DeviceError: no answer.
        """
        ...


class Wire(Protocol):
    """An open byte stream to a device; the serial module and the network give one.

    Its calls raise what the stream raises; only drivers use it.
    """

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return what has arrived, at least one byte."""
        ...

    async def send(self, item: bytes) -> None:
        """Return when the stream has taken all bytes."""
        ...

    async def aclose(self) -> None:
        """Close at once, dropping what is unsent."""
        ...


class Printer(Protocol):
    """A printing mechanism at the end of a wire that may come and go."""

    @property
    def session(self) -> int:
        """Number of the open wire, rising; 0 while there is none."""
        ...

    @property
    def answered(self) -> int:
        """Commands answered in their turn since the wire was opened (printer.fence)."""
        ...

    async def write(self, data: bytes) -> None:
        """Hand over whole commands; returns when the wire has taken them.

        Raises:
            DeviceError: gone, or it did not take the bytes in time; the wire is closed then.
        """
        ...

    async def status(self) -> bytes:
        """Ask for status and return the raw answer, empty when none came in time.

        Raises:
            DeviceError: gone.
        """
        ...

    async def news(self) -> None:
        """Return when `session` or `answered` has changed since the last call returned."""
        ...


class HeadSensor(Protocol):
    """The temperature of the print head."""

    async def read(self) -> float | None:
        """Return degrees Celsius, or None where there is no reading."""
        ...


class Documents(Protocol):
    """Composes what a job prints from the journal's facts."""

    async def compose(self, job: Job) -> Document:
        """Return the finished document of a job."""
        ...


class SecureElement(Protocol):
    """Where keys live. Keys never come out; results do.

    Raises (every call):
        KeyStoreError: missing, locked, pulled, or no key left.
    """

    def mac_key(self, counter: int, *, answer: bool = False) -> MacKey:
        """Return the HMAC key of a DUKPT counter, for requests or for answers."""
        ...

    def data_key(self, counter: int) -> DataKey:
        """Return the AES-256 data encryption key of a DUKPT counter."""
        ...

    def token(self, number: CardNumber) -> bytes:
        """Return 16 bytes that stand for a card number: HMAC under a key that never leaves."""
        ...

    def chain_key(self) -> bytes:
        """Return the start key of the journal's hash chain (kept apart from the journal file)."""
        ...

    @property
    def initial_key_id(self) -> bytes:
        """The 8-byte AES DUKPT initial key ID; the KSN is this and the 4-byte counter."""
        ...


class KeyVault(SecureElement, Protocol):
    """A secure element with what is done to its keys beside their use."""

    def cmac_key(self, counter: int, *, answer: bool = False) -> MacKey:
        """Return the AES-CMAC key of a DUKPT counter; its codes have 16 bytes."""
        ...

    def random(self, size: int) -> bytes:
        """Return `size` bytes of the element's own chance."""
        ...

    def check_values(self) -> tuple[bytes, bytes]:
        """Return 5 bytes of each key that tell keys apart and are none: initial key, secret.

        The first is AES-CMAC under the key of counter 1 over the initial key ID: the derivation
        takes the ID in, so the same key under another ID has another value. The second is
        HMAC-SHA-256 over "check".
        """
        ...

    def wipe(self) -> None:
        """Destroy the terminal's keys for ever; every later use raises KeyStoreError SEC-015."""
        ...


class MacKey(Protocol):
    """One key of one counter: HMAC 256/256, or AES-CMAC."""

    def mac(self, data: bytes) -> bytes:
        """Return the code: 32 bytes with HMAC, 16 with AES-CMAC."""
        ...


class DataKey(Protocol):
    """One key of one counter for AES-256-GCM."""

    def encrypt(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Return ciphertext and tag."""
        ...

    def decrypt(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Return the plaintext; raises AuthenticityError when the tag does not fit."""
        ...


class Lamps(Protocol):
    """LEDs and buzzer by role."""

    async def show(self, lamps: Mapping[str, str]) -> None:
        """Set lamps (power, net, error, paper) to on, off, slow or fast."""
        ...

    async def tone(self, name: str) -> None:
        """Sound key, ok, error, remove_card or read_card."""
        ...


class Keypad(Protocol):
    """The keys of the terminal."""

    def keys(self) -> AsyncIterator[str]:
        """Yield keys (0 to 9, ok, cancel, clear, up, down, menu…) as pressed, until cancelled.

        Raises:
            DeviceError: there is none, or it went away.
        """
        ...


class Watchdog(Protocol):
    """A timer that resets the machine, or the process, when it is not fed."""

    async def open(self) -> int:
        """Arm it and return the seconds it took; from here on it must be fed."""
        ...

    async def feed(self) -> None:
        """Put the bite off; raises DeviceError where that cannot be done."""
        ...

    async def close(self) -> None:
        """Disarm it: a clean stop only."""
        ...


@dataclass(frozen=True, slots=True)
class Charge:
    """A battery: percent, millivolts where known, and whether the mains feed it."""

    percent: int
    millivolt: int | None
    charging: bool


class Battery(Protocol):
    """The terminal's own battery."""

    async def read(self) -> Charge | None:
        """Return how it stands, or None where there is no reading."""
        ...


class InputLines(Protocol):
    """Single inputs by purpose: paper end, cover, tamper."""

    async def read(self, purpose: str) -> bool | None:
        """Return whether it is active, None where the board has none or it cannot be read."""
        ...
