"""A request that is asked again is not carried out again: the second answer is the first's ending.

A client that lost the answer (a cut line, a terminal that was killed) asks again with the same
`intent`. The id is durable with commit 1, so the terminal knows after a restart what became of it;
where nothing was begun, nothing was charged, and the request is carried out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio

from posfw.app.answers import conclusion_answer
from posfw.app.verbs import Body, Handler, Progress
from posfw.values.errors import CodecError, PosfwError, RefusedError
from posfw.values.identity import Key
from posfw.values.texts import Texts
from posfw.values.transaction import Conclusion, Ending, State, Transaction

__all__ = ["Once"]

_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
# What makes two requests the same one; who asks, who approves and the card may be said otherwise.
_SAME: Final = ("amount", "key", "tip", "periods", "plan", "auth_code")
_ENDINGS: Final = {
    State.APPROVED: Ending.APPROVED,
    State.DECLINED: Ending.DECLINED,
    State.CANCELLED: Ending.CANCELLED,
}


class _Journal(Protocol):
    async def asked(self, prefix: str) -> tuple[str, Key] | None: ...

    async def transaction(self, key: Key) -> Transaction | None: ...


@dataclass(slots=True)
class _Run:
    """A request under way, for whoever asks the same meanwhile."""

    request: str
    ended: anyio.Event = field(default_factory=anyio.Event)
    result: Body | None = None
    error: PosfwError | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Once:
    """Stands before a handler: what has an `intent` is carried out once.

    Attributes:
        inner: carries out.
        journal: knows what was begun.
        texts: the merchant's language.
    """

    inner: Handler
    journal: _Journal
    texts: Texts
    _runs: dict[str, _Run] = field(default_factory=dict)

    async def __call__(self, verb: str, body: Body, progress: Progress) -> Body:
        """Carry out a request, or tell how the same one ended.

        Raises:
            CodecError: the id has another form.
            RefusedError: SAL-320, it was used for another request.
        """
        if "intent" not in body:
            return await self.inner(verb, body, progress)
        name, request = _request(verb, body)
        run = self._runs.get(name)
        if run is not None:
            _check(run.request, request)
            await run.ended.wait()
            return await self._again(run)
        run = self._runs[name] = _Run(request)
        try:
            found = await self.journal.asked(f"{name}#")
            if found is None:
                run.result = await self.inner(verb, {**body, "intent": request}, progress)
            else:
                _check(found[0], request)
                run.result = await self._told(found[1])
        except PosfwError as error:
            run.error = error
            raise
        finally:
            del self._runs[name]
            run.ended.set()
        return run.result

    async def _again(self, run: _Run) -> Body:
        if run.error is not None:
            raise run.error
        return {**(run.result or {}), "repeated": True}

    async def _told(self, key: Key) -> Body:
        """Tell a transaction's ending as it stands in the journal."""
        found = await self.journal.transaction(key)
        if found is None or found.state is State.BEGUN:
            line = self.texts("No answer yet. Asking how it stands: do not swipe again.")
            told: dict[str, Any] = {"ok": False, "ending": "unknown", "kind": "begun"}
            return {**told, "key": str(key), "lines": [line, str(key)], "repeated": True}
        ending = _ENDINGS.get(found.state, Ending.UNKNOWN)
        if ending is Ending.APPROVED and found.offline:
            ending = Ending.APPROVED_OFFLINE
        at = found.concluded_at or found.begun.intent.at
        said = Conclusion(key, ending, at, found.answer, reason=found.reason)
        answer = conclusion_answer(said, self.texts, found.begun.intent.kind)
        return {
            **answer,
            "state": found.state.value,
            "voided": found.voided,
            "repeated": True,
        }


def _request(verb: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """Return the id, and the id with what was asked, as the journal keeps it."""
    name = body["intent"]
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise CodecError("`intent` is 8 to 64 letters, digits, dots, dashes or underscores.")
    said = json.dumps([verb, *(body.get(each) for each in _SAME)], sort_keys=True)
    return name, f"{name}#{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _check(first: str, second: str) -> None:
    if first != second:
        raise RefusedError(
            "The request's number was used for another request.",
            code="SAL-320",
            next_step="Ask with a new number.",
        )
