"""处理要求: what the acquirer wants done first. Noted, done before the next sale, shown till then.

Parameters (CA keys lie among them) are loaded by themselves. Keys come by hand, on their carrier;
until the element holds others, `posfw ready` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from posfw.app.parameters import Parameters
from posfw.ports import Clock, Records, SecureElement
from posfw.sale.limits import Refusal
from posfw.values.errors import LinkError
from posfw.values.events import Plain, Record, Topic
from posfw.values.outcome import DoFirst

__all__ = ["ADVICE", "Demands", "fold", "told"]

# As they stand in an answer (docs/wire.md, DO_FIRST).
_NUMBERS: Final = {
    1: DoFirst.PARAMETERS,
    2: DoFirst.STATUS,
    3: DoFirst.SIGN_ON,
    4: DoFirst.KEYS,
}
ADVICE: Final[Mapping[DoFirst, str]] = {
    DoFirst.PARAMETERS: "posfw parameters",
    DoFirst.STATUS: "posfw sign-on",
    DoFirst.SIGN_ON: "posfw sign-on",
    DoFirst.KEYS: "posfw keys load",
}
_BLOCKS: Final = frozenset({DoFirst.PARAMETERS, DoFirst.SIGN_ON})


def told(answer: Mapping[str, object]) -> frozenset[DoFirst]:
    """Return the flags of a management answer; numbers that nobody knows are left out."""
    flags = answer.get("do_first", ())
    rows = flags if isinstance(flags, (list, tuple)) else ()
    return frozenset(_NUMBERS[flag] for flag in rows if type(flag) is int and flag in _NUMBERS)


def fold(records: Iterable[Record]) -> Mapping[DoFirst, str]:
    """Return what is still wanted after these records of SESSION, with the key ID of that time."""
    found: dict[DoFirst, str] = {}
    for record in records:
        flags = record.body.get("flags")
        for flag in flags if isinstance(flags, (list, tuple)) else ():
            if record.name == "wanted":
                found[DoFirst(str(flag))] = str(record.body.get("key_id", ""))
            elif record.name == "obeyed":
                found.pop(DoFirst(str(flag)), None)
    return found


@dataclass(slots=True, eq=False, repr=False)
class Demands:
    """What is wanted and not yet done, over the SESSION topic.

    Attributes:
        records: the journal's stream.
        clock: local time.
        element: whose keys are in use; another initial key ID means that keys were loaded.
        parameters: loads what is new.
    """

    records: Records
    clock: Clock
    element: SecureElement
    parameters: Parameters
    _known: Mapping[DoFirst, str] | None = None

    async def open(self) -> frozenset[DoFirst]:
        """Return what is still to be done; reads the journal once."""
        if self._known is None:
            self._known = fold(await self.records.read(Topic.SESSION))
        if self._known.get(DoFirst.KEYS, self._key_id) != self._key_id:
            await self._note("obeyed", [DoFirst.KEYS])
        return frozenset(self._known or ())

    async def note(self, flags: Iterable[DoFirst]) -> None:
        """Keep what an answer wants; what is wanted already is not written again."""
        new = sorted(set(flags) - await self.open())
        if new:
            await self._note("wanted", new)

    async def signed_on(self, flags: Iterable[DoFirst], *, status_told: bool) -> list[str]:
        """Take the flags of a sign-on and do what can be done now; return what is left."""
        done = [DoFirst.SIGN_ON, *([DoFirst.STATUS] if status_told else [])]
        await self.note(set(flags) - set(done))
        if ended := sorted(set(done) & await self.open()):
            await self._note("obeyed", ended)
        await self.obey()
        return sorted(await self.open())

    async def obey(self) -> None:
        """Load parameters where they are wanted; without a line they stay wanted."""
        if DoFirst.PARAMETERS not in await self.open():
            return
        try:
            code = await self.parameters.load()
        except LinkError:
            return
        if code == "00":
            await self.loaded()

    async def loaded(self) -> None:
        """Parameters were loaded, by whatever way."""
        if DoFirst.PARAMETERS in await self.open():
            await self._note("obeyed", [DoFirst.PARAMETERS])

    async def refusal(self) -> Refusal | None:
        """Return why no sale may begin: something comes first and could not be done now."""
        if not await self.open() & _BLOCKS:
            return None
        await self.obey()
        left = sorted(await self.open() & _BLOCKS)
        if not left:
            return None
        names = ", ".join(left)
        cause = f"The acquirer wants done first: {names}."
        return Refusal("ACT-130", cause, ADVICE[left[0]])

    @property
    def _key_id(self) -> str:
        return self.element.initial_key_id.hex()

    async def _note(self, name: str, flags: list[DoFirst]) -> None:
        body: dict[str, Plain] = {"flags": [flag.value for flag in flags], "key_id": self._key_id}
        record = Record(Topic.SESSION, name, self.clock.now(), body=body)
        await self.records.append(record)
        self._known = fold(await self.records.read(Topic.SESSION))
