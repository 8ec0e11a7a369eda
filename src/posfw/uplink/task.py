"""The uplink: one long-lived line, owed messages forwarded, several requests outstanding.

Nothing that matters lives here: what is owed is journal rows, what is asked is a returned value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import anyio

from posfw.crypto.dukpt import next_counter
from posfw.ports import Clock, OwedJournal, Random, SecureElement
from posfw.uplink import requests
from posfw.uplink.driver import LINE_ERRORS, Dial, Link
from posfw.uplink.messages import Field, Message, MessageType, from_names, to_names
from posfw.uplink.order import Backoff, Verdict, before_sale, verdict, windows
from posfw.uplink.session import protect_request, seal_card
from posfw.uplink.settings import UplinkSettings
from posfw.values.card import CardRead
from posfw.values.errors import LinkError, MisuseError, PosfwError
from posfw.values.identity import Key
from posfw.values.outcome import Outcome, Unknown, Unreachable
from posfw.values.transaction import Begun, Owed, OwedKind, Transaction

__all__ = ["ForwardJournal", "LineState", "Uplink", "UplinkSettings", "UplinkState"]

COUNTER_BLOCK = 32
OWED_LIMIT = 64
NONCE_BYTES = 12


class ForwardJournal(OwedJournal, Protocol):
    """What is owed, and the transaction behind it: an advice carries its kind and amount."""

    async def transaction(self, key: Key) -> Transaction | None:
        """Return one transaction as it stands."""
        ...


class LineState(StrEnum):
    """Where the line stands; ONLINE only after the acquirer has answered an echo."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"


@dataclass(frozen=True, slots=True)
class UplinkState:
    """The line as a screen shows it: state, since when, and why it last ended ("" if never)."""

    line: LineState
    since: datetime
    error: str = ""


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
        self._round = anyio.Lock()
        self._reserving = anyio.Lock()
        self._counter = 0
        self._counters_end = 0
        self._sent: set[int] = set()
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

    async def changed(self) -> UplinkState:
        """Return the state after its next change."""
        await self._moved.wait()
        return self._state

    async def run(self) -> None:
        """Keep the line up until cancelled."""
        settings = self._settings
        waits = Backoff(settings.retry_base_s, settings.retry_cap_s, settings.stable_s)
        while True:
            self._move(LineState.CONNECTING, self._state.error)
            began = self._clock.monotonic()
            cause = await self._connection()
            waits = waits.after(self._clock.monotonic() - began)
            self._move(LineState.OFFLINE, cause)
            await anyio.sleep(self._random.uniform(0.0, waits.ceiling_s))

    async def authorise(self, begun: Begun, card: CardRead | None) -> Outcome:
        """Ask online; see ports.Acquirer."""
        self._check_key(begun.key)
        limit_s = self._settings.authorise_timeout_s
        deadline = anyio.current_time() + limit_s
        if not await self._clear_way(limit_s / 2):
            return Unreachable("reversals or script results are not answered")
        sealed = b"" if card is None else self.seal(begun, card)
        request = requests.authorise(begun, self._settings.merchant, card, sealed)
        rest_s = max(0.0, deadline - anyio.current_time())
        answer = await self._ask(request, begun.ksn_counter, rest_s)
        return requests.outcome_of(answer) if isinstance(answer, Message) else answer

    async def inquire(self, key: Key) -> Outcome:
        """Ask how a key stands; see ports.Acquirer."""
        self._check_key(key)
        if not self.online:
            return Unreachable(self._state.error or "the line is down")
        request = requests.inquiry(key, self._settings.merchant)
        counter = await self._next_counter()
        answer = await self._ask(request, counter, self._settings.authorise_timeout_s)
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
        if not self.online:
            raise LinkError(f"The acquirer cannot be asked: {self._state.error or 'line down'}.")
        request = self._request(kind, numbered)
        counter = await self._next_counter()
        answer = await self._ask(request, counter, self._settings.call_timeout_s)
        if not isinstance(answer, Message):
            raise LinkError(f"The acquirer did not answer {message}.", reason=str(answer))
        return to_names(answer)

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

    def _move(self, line: LineState, error: str = "") -> None:
        self._state = UplinkState(line, self._clock.now(), error)
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    async def _connection(self) -> str:
        """Dial, serve one connection, and return why it ended."""
        try:
            stream = await self._dial()
        except LinkError as error:
            return error.cause
        except (*LINE_ERRORS, anyio.EndOfStream) as error:
            return f"no connection: {type(error).__name__}"
        link = Link(stream, self._element, self._settings.write_timeout_s)
        try:
            await self._serve(link)
        finally:
            self._link = None
            self._ignored += link.ignored
            link.end("the uplink was stopped")
            await anyio.aclose_forcefully(stream)
        return link.cause

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
                sealed = protect_request(request, self._element, await self._next_counter())
                waiting = await link.exchange(sealed, self._settings.echo_timeout_s)
                if waiting.answer is None:
                    link.end("the acquirer does not answer the echo")
                    return
                if self._link is None:
                    self._link = link
                    self._move(LineState.ONLINE)
                    group.start_soon(self._forward)
                await anyio.sleep(self._settings.heartbeat_s)

    async def _forward(self) -> None:
        """Send what is owed while the line is up; wait for more, or after silence for a while."""
        settings = self._settings
        fresh = Backoff(settings.retry_base_s, settings.retry_cap_s, settings.stable_s)
        waits = fresh
        while True:
            async with self._round:
                owed = await self._journal.owed(OWED_LIMIT)
                went = await self._send(windows(owed))
            if not owed:
                await self._journal.changed()
            if went:
                waits = fresh
                continue
            waits = waits.after(0.0)
            await anyio.sleep(self._random.uniform(0.0, waits.ceiling_s))

    async def _clear_way(self, limit_s: float) -> bool:
        """Send what goes before a sale; False when a reversal or script result stays owed."""
        if not self.online:
            return True  # the request itself will say that the line is down
        with anyio.move_on_after(limit_s):
            async with self._round:
                owed = await self._journal.owed(OWED_LIMIT)
                ahead = before_sale(owed, self._settings.trickle)
                must = [window for window in ahead if window[0].kind is not OwedKind.ADVICE]
                went = await self._send(must)
                if went and len(ahead) > len(must):
                    await self._send(ahead[len(must) :])
                return went
        return False

    async def _send(self, rounds: Sequence[Sequence[Owed]]) -> bool:
        """Send windows one after the other; False when something stays owed."""
        went = True
        for window in rounds:
            results: list[Verdict] = []
            faults: list[PosfwError] = []
            async with anyio.create_task_group() as group:
                for owed in window:
                    group.start_soon(self._send_one, owed, results, faults)
            if faults:
                raise faults[0]
            if self._link is None or Verdict.KEYS_DIFFER in results:
                return False
            went = went and Verdict.SILENT not in results
        return went

    async def _send_one(
        self, owed: Owed, results: list[Verdict], faults: list[PosfwError]
    ) -> None:
        try:
            results.append(await self._forwarded(owed))
        except PosfwError as fault:  # raised by `_send`, alone and not in a group
            faults.append(fault)

    async def _forwarded(self, owed: Owed) -> Verdict:
        """Send one owed message and record the acquirer's word about it."""
        found = await self._journal.transaction(owed.key)
        request = requests.of_owed(
            owed,
            self._settings.merchant,
            found.begun.intent if found else None,
            repeat=owed.number in self._sent,
        )
        self._sent.add(owed.number)
        counter = await self._next_counter()
        answer = await self._ask(request, counter, self._settings.authorise_timeout_s)
        if not isinstance(answer, Message):
            return Verdict.SILENT
        code = requests.answer_of(answer).response_code
        judged = verdict(owed.kind, code)
        if judged is Verdict.DONE:
            await self._journal.acknowledge(owed, code, self._clock.now())
        elif judged is Verdict.REJECTED:
            await self._journal.reject(owed, code, self._clock.now())
        if judged is not Verdict.KEYS_DIFFER:
            self._sent.discard(owed.number)
        return judged

    async def _ask(
        self, request: Message, counter: int, timeout_s: float
    ) -> Message | Unreachable | Unknown:
        link = self._link
        if link is None:
            return Unreachable(self._state.error or "the line is down")
        if link.full:
            return Unreachable("too many requests are waiting for answers")
        waiting = await link.exchange(protect_request(request, self._element, counter), timeout_s)
        if waiting.answer is not None:
            return waiting.answer
        cause = link.cause or "no answer in time"
        return Unknown(cause) if waiting.written else Unreachable(cause)

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
