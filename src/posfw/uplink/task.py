"""The uplink: one long-lived line, owed messages forwarded, several requests outstanding.

Nothing that matters lives here: what is owed is journal rows, what is asked is a returned value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import anyio

from posfw.crypto.dukpt import next_counter
from posfw.ports import Clock, OwedJournal, Random, SecureElement
from posfw.uplink import requests
from posfw.uplink.driver import LINE_ERRORS, Dial, Link, Waiting, dial_code
from posfw.uplink.faults import FAULTS, fault
from posfw.uplink.messages import (
    VERSION,
    VERSIONS,
    Field,
    Message,
    MessageType,
    from_names,
    to_names,
)
from posfw.uplink.order import Backoff, Verdict, before_sale, verdict
from posfw.uplink.pending import Pending
from posfw.uplink.session import Sealed, protect_request, seal_card
from posfw.uplink.settings import UplinkSettings
from posfw.values.card import CardRead
from posfw.values.errors import KeyStoreError, LinkError, MisuseError
from posfw.values.identity import Key
from posfw.values.outcome import Outcome, Unknown, Unreachable
from posfw.values.texts import mark
from posfw.values.transaction import Begun, Owed, Transaction

__all__ = ["ForwardJournal", "LineState", "Uplink", "UplinkSettings", "UplinkState"]

COUNTER_BLOCK = 32
NONCE_BYTES = 12


class ForwardJournal(OwedJournal, Protocol):
    """What is owed, and the transaction behind it: an advice carries its kind and amount."""

    async def transaction(self, key: Key) -> Transaction | None:
        """Return one transaction as it stands."""
        ...

    def anchor(self) -> bytes:
        """Return how far the journal has durably come (values.anchor); b"" before its start."""
        ...

    async def witness(self, data: bytes, at: datetime) -> str:
        """Hold the acquirer's last anchor against the journal; it stops sales if that fails."""
        ...


class LineState(StrEnum):
    """Where the line stands; ONLINE only after the acquirer has answered an echo."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"


@dataclass(frozen=True, slots=True)
class UplinkState:
    """The line as a screen shows it.

    Attributes:
        line: where it stands.
        since: since when.
        error: why it last ended, "" if it never did.
        code: the same as a stable code (uplink.faults).
    """

    line: LineState
    since: datetime
    error: str = ""
    code: str = ""


class Uplink:
    """ports.Acquirer over one line.

    Args:
        journal: owed messages and DUKPT counters.
        element: keys.
        random: nonces and jitter.
        clock: for people's times and the length of a connection.
        settings: addresses, identity, time limits.
        dial: opens the line; raises LinkError or OSError.
    """

    def __init__(
        self,
        *,
        journal: ForwardJournal,
        element: SecureElement,
        random: Random,
        clock: Clock,
        settings: UplinkSettings,
        dial: Dial,
    ) -> None:
        self._journal = journal
        self._element = element
        self._random = random
        self._clock = clock
        self._settings = settings
        self._dial = dial
        self._link: Link | None = None
        self._state = UplinkState(LineState.OFFLINE, clock.now())
        self._moved = anyio.Event()
        self._reserving = anyio.Lock()
        fresh = Backoff(settings.retry_base_s, settings.retry_cap_s, settings.stable_s)
        self._pending = Pending(settings.window, fresh)
        self._wake = anyio.Event()  # the forwarder looks again
        self._word = anyio.Event()  # an owed message ended or stayed silent
        self._counter = 0
        self._counters_end = 0
        self._ignored = 0

    @property
    def online(self) -> bool:
        """Whether the acquirer answered the last echo and the line has not ended since."""
        return self._link is not None

    @property
    def state(self) -> UplinkState:
        """The line as a screen shows it."""
        return self._state

    @property
    def ignored(self) -> int:
        """How many answers did not verify or matched no waiting request."""
        return self._ignored + (self._link.ignored if self._link else 0)

    def hang_up(self) -> None:
        """End the connection as a broken cable would; it is dialled again."""
        if self._link is not None:
            self._link.end("NET-126")

    async def changed(self) -> UplinkState:
        """Return the state after its next change."""
        await self._moved.wait()
        return self._state

    async def run(self) -> None:
        """Keep the line up until cancelled."""
        settings = self._settings
        waits = Backoff(settings.retry_base_s, settings.retry_cap_s, settings.stable_s)
        while True:
            self._move(LineState.CONNECTING, self._state.code)
            began = self._clock.monotonic()
            code = await self._connection()
            waits = waits.after(self._clock.monotonic() - began)
            self._move(LineState.OFFLINE, code)
            await anyio.sleep(self._random.uniform(0.0, waits.ceiling_s))

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        """Ask online; see ports.Acquirer."""
        self._check_key(begun.key)
        limit_s = self._settings.authorise_timeout_s
        deadline = anyio.current_time() + limit_s
        if not await self._clear_way(limit_s / 2):
            return Unreachable(mark("reversals or script results are not answered"))
        try:
            sealed = b"" if card is None else self.seal(begun, card)
        except KeyStoreError as error:
            # Never "unreachable": without keys nothing may be approved offline either.
            return Unknown(f"the secure element failed ({error.stable_code})")
        request = requests.authorise(begun, self._settings.merchant, card, sealed)
        rest_s = max(0.0, deadline - anyio.current_time())
        answer = await self._asked(request, begun.ksn_counter, rest_s)
        return requests.outcome_of(answer) if isinstance(answer, Message) else answer

    async def inquire(self, key: Key) -> Outcome:
        """Ask how a key stands; see ports.Acquirer."""
        return await self._how(key, close=False)

    async def close(self, key: Key) -> Outcome:
        """Let nothing be paid under a key any more and ask how it ended.

        Returns:
            Approved: it was paid before. Declined: it is closed, also for a request under this
            key that arrives later. Everything else: nobody knows.
        """
        return await self._how(key, close=True)

    async def _how(self, key: Key, *, close: bool) -> Outcome:
        self._check_key(key)
        if not self.online:
            return Unreachable(self._state.error or mark("the line is down"))
        request = requests.inquiry(key, self._settings.merchant, close=close)
        answer = await self._asked(request, None, self._settings.authorise_timeout_s)
        return requests.inquired(answer) if isinstance(answer, Message) else answer

    def seal(self, begun: Begun, card: CardRead) -> bytes:
        """Return the card data, without PIN block, under the transaction's own key."""
        return seal_card(card, begun, self._element, self._random.token(NONCE_BYTES))

    async def call(self, message: str, fields: Mapping[str, object]) -> Mapping[str, object]:
        """Exchange a management message by names; see ports.Acquirer and `from_names`.

        Raises:
            LinkError: no matching answer within the time limit.
            MisuseError: an unknown message, or a field of the wrong type.
        """
        kind, numbered = from_names(message, fields)
        if kind is MessageType.SIGN_ON:
            offer = dict(numbered.get(Field.DETAILS, {})) | {"versions": list(VERSIONS)}
            numbered[Field.DETAILS] = offer
        with anyio.move_on_after(self._settings.connect_timeout_s):
            # A terminal is ready before its line: who signs on at once waits for this attempt.
            while self._state.line is LineState.CONNECTING:
                await self.changed()
        if not self.online:
            cause = f"The acquirer cannot be asked: {self._state.error or 'the line is down.'}"
            raise LinkError(cause, code=self._state.code or None)
        request = self._request(kind, numbered)
        counter = await self._next_counter()
        answer = await self._ask(request, counter, self._settings.call_timeout_s)
        if not isinstance(answer, Message):
            raise LinkError(f"The acquirer did not answer {message}.", reason=str(answer))
        named = to_names(answer)
        if kind is MessageType.SIGN_ON and named.get("version", VERSION) not in VERSIONS:
            unspoken = fault("NET-131")
            raise LinkError(unspoken.cause, code=unspoken.code, next_step=unspoken.next_step)
        return named

    def _request(self, kind: MessageType, numbered: Mapping[Any, Any]) -> Message:
        rest = {key: value for key, value in numbered.items() if isinstance(key, Field)}
        return Message(
            kind,
            self._settings.terminal,
            self._settings.merchant,
            numbered.get("batch", 0),
            numbered.get("stan", 0),
            rest,
        )

    def _check_key(self, key: Key) -> None:
        if key.terminal != self._settings.terminal:
            raise MisuseError(f"{key} is another terminal's transaction.")

    def _move(self, line: LineState, code: str = "") -> None:
        error = fault(code).cause if code else ""
        self._state = UplinkState(line, self._clock.now(), error, code)
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    async def _connection(self) -> str:
        """Dial, serve one connection, and return the code of why it ended."""
        try:
            stream = await self._dial()
        except LinkError as error:
            return error.stable_code if error.stable_code in FAULTS else "NET-101"
        except (*LINE_ERRORS, anyio.EndOfStream) as error:
            return dial_code(error)
        link = Link(stream, self._element, self._settings.write_timeout_s)
        try:
            await self._serve(link)
        except* KeyStoreError:
            link.end("NET-132")  # a token that was pulled or a key that is used up: tried again
        finally:
            self._link = None
            self._ignored += link.ignored
            link.end("NET-130")
            await anyio.aclose_forcefully(stream)
        return link.code

    async def _serve(self, link: Link) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(link.read)
            group.start_soon(self._heartbeat, link)
            await link.ended()
            # Requests fail at once from here on, not only when the tasks below have ended.
            self._link = None
            group.cancel_scope.cancel()

    async def _heartbeat(self, link: Link) -> None:
        async with anyio.create_task_group() as group:
            while True:
                request = self._request(MessageType.ECHO, {})
                sealed = self._protected(request, await self._next_counter())
                waiting = await link.exchange(sealed, self._settings.echo_timeout_s)
                if waiting.answer is None:
                    link.end(link.silence_code)
                    return
                if self._link is None:
                    await self._compare(waiting.answer)
                    self._link = link
                    self._move(LineState.ONLINE)
                    group.start_soon(self._forward, link)
                await anyio.sleep(self._settings.heartbeat_s)

    async def _forward(self, link: Link) -> None:
        """Keep the window full of what is owed; everything ends by the acquirer's word alone."""
        self._pending.restart()
        async with anyio.create_task_group() as flights:
            flights.start_soon(self._watch)
            rows: Sequence[Owed] = ()
            while True:
                self._wake = anyio.Event()
                owed = self._pending.choose(rows, self._clock.monotonic())
                if owed is None:
                    self._pending.reading()
                    limit = self._pending.known + 2 * self._settings.window
                    rows = await self._journal.owed(limit)
                    if len(rows) < limit:
                        self._pending.read(rows)
                    owed = self._pending.choose(rows, self._clock.monotonic())
                if owed is None:
                    await self._rest()
                    continue
                # One frame at a time goes to the line: a sale's frame waits for one at most.
                waiting = await self._launch(owed, link)
                flights.start_soon(self._land, owed, waiting, link)

    async def _watch(self) -> None:
        """Wake the forwarder when something owed is added."""
        while True:
            await self._journal.changed()
            self._wake.set()

    async def _rest(self) -> None:
        """Wait until something is added, lands or may be tried again."""
        until = self._pending.deadline()
        rest_s = None if until is None else max(0.0, until - self._clock.monotonic())
        with anyio.move_on_after(rest_s):
            await self._wake.wait()
        if rest_s == 0.0:
            # Due, but what was silent before has its share of the window: wait for a landing.
            await self._wake.wait()

    async def _launch(self, owed: Owed, link: Link) -> Waiting:
        """Put one owed message on the line."""
        repeat = self._pending.send(owed)
        found = await self._journal.transaction(owed.key)
        intent = found.begun.intent if found else None
        request = requests.of_owed(owed, self._settings.merchant, intent, repeat=repeat)
        counter = await self._next_counter()
        return await link.send(self._protected(request, counter))

    async def _land(self, owed: Owed, waiting: Waiting, link: Link) -> None:
        """Wait for the acquirer's word about an owed message and record it."""
        await link.answer(waiting, self._settings.authorise_timeout_s)
        answer = waiting.answer
        code = requests.answer_of(answer).response_code if answer else ""
        judged = verdict(owed.kind, code) if answer else Verdict.SILENT
        if judged is Verdict.DONE:
            await self._journal.acknowledge(owed, code, self._clock.now())
        elif judged is Verdict.REJECTED:
            await self._journal.reject(owed, code, self._clock.now())
        now, chance = self._clock.monotonic(), self._random.uniform(0.0, 1.0)
        if judged is Verdict.SILENT:
            self._pending.silent(owed, now, chance)
        elif judged is Verdict.KEYS_DIFFER:
            self._pending.refuse(owed, now, chance)
        else:
            self._pending.end(owed)
        self._wake.set()
        word, self._word = self._word, anyio.Event()
        word.set()

    async def _clear_way(self, limit_s: float) -> bool:
        """Wait for what goes before a sale; False when a reversal or script result stays owed."""
        if not self.online:
            return True  # the request itself will say that the line is down
        with anyio.move_on_after(limit_s):
            # The event is taken before the rows are read: a landing in between is not missed.
            word = self._word
            ahead = before_sale(await self._journal.owed(self._settings.window))
            if ahead:
                self._pending.kick(ahead)
                self._wake.set()
            while ahead and self.online:
                await word.wait()
                if self._pending.paused:
                    return False
                word = self._word
                ahead = before_sale(await self._journal.owed(self._settings.window))
            return not ahead
        return False

    async def _asked(
        self, request: Message, counter: int | None, timeout_s: float
    ) -> Message | Unreachable | Unknown:
        """Like `_ask`; a failing secure element leaves doubt, never a guess."""
        try:
            number = await self._next_counter() if counter is None else counter
            return await self._ask(request, number, timeout_s)
        except KeyStoreError as error:
            return Unknown(f"the secure element failed ({error.stable_code})")

    async def _ask(
        self, request: Message, counter: int, timeout_s: float
    ) -> Message | Unreachable | Unknown:
        link = self._link
        if link is None:
            return Unreachable(self._state.error or mark("the line is down"))
        if link.full:
            return Unreachable(mark("too many requests are waiting for answers"))
        waiting = await link.exchange(self._protected(request, counter), timeout_s)
        if waiting.answer is not None:
            return waiting.answer
        cause = fault(link.code).cause if link.code else "no answer in time"
        return Unknown(cause) if waiting.written else Unreachable(cause)

    def _protected(self, request: Message, counter: int) -> Sealed:
        """Seal a request; with it goes how far the journal has come."""
        anchor = self._journal.anchor()
        if anchor:
            request = replace(request, fields={**request.fields, Field.ANCHOR: anchor})
        return protect_request(request, self._element, counter)

    async def _compare(self, answer: Message) -> None:
        """Hold the journal against what the acquirer was told before this line was there."""
        told = answer.fields.get(Field.WITNESS)
        if isinstance(told, bytes):
            await self._journal.witness(told, self._clock.now())

    async def _next_counter(self) -> int:
        """Return a counter that was never used, from a block that the journal reserved."""
        async with self._reserving:
            while True:
                if self._counter >= self._counters_end:
                    self._counter = await self._journal.reserve_counters(COUNTER_BLOCK)
                    self._counters_end = self._counter + COUNTER_BLOCK
                counter = next_counter(self._counter - 1)
                self._counter = counter + 1
                if counter < self._counters_end:
                    return counter
