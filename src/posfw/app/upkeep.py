"""Maintenance at the terminal: what is due, what was done, faults, how stable it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from posfw.app.verbs import Body, Progress, Verb, operator_of, text_of
from posfw.ports import Clock, Records
from posfw.upkeep.plan import TASKS, due, fold, score, unsupported
from posfw.values.errors import CodecError, InputError
from posfw.values.events import Plain, Record, Topic

__all__ = ["Maintenance"]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Verbs over the UPKEEP and FAULT topics.

    Attributes:
        records: the journal's stream.
        clock: local time.
        models: that may be fitted, by kind of part.
    """

    records: Records
    clock: Clock
    models: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def verbs(self) -> Mapping[str, Verb]:
        """Return the maintenance verbs."""
        return {
            "upkeep_due": self._due,
            "upkeep_done": self._done,
            "upkeep_fault": self._fault,
            "upkeep_log": self._log,
            "upkeep_score": self._score,
        }

    async def count_mm(self, printed_mm: int) -> None:
        """Note the paper counter; call it now and then, such as at settlement."""
        body: dict[str, Plain] = {"mm": printed_mm}
        await self.records.append(Record(Topic.UPKEEP, "metres", self.clock.now(), "", body))

    async def reminders(self) -> list[str]:
        """Return what is due by length or by days, for the idle screen."""
        upkeep = fold(await self.records.read(Topic.UPKEEP))
        return [each.task.id for each in due(upkeep, self.clock.now()) if each.why]

    async def _due(self, body: Body, _: Progress) -> Body:
        upkeep = fold(await self.records.read(Topic.UPKEEP))
        found = due(upkeep, self.clock.now())
        shown = found if body.get("all") else [each for each in found if each.why]
        return {
            "ok": not any(each.why for each in found),
            "metres": upkeep.metres,
            "tasks": [
                {
                    "task": each.task.id,
                    "on": each.on.isoformat(),
                    "metres_left": each.metres_left,
                    "why": each.why,
                    "zh": each.task.zh,
                    "en": each.task.en,
                }
                for each in shown
            ],
        }

    async def _done(self, body: Body, _: Progress) -> Body:
        task = text_of(body, "task")
        known = [each.id for each in TASKS]
        if task not in known:
            raise InputError(f"A task is one of {', '.join(known)}.", code="UPK-201")
        parts: Any = body.get("parts", [])
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise CodecError("`parts` is a list of texts.")
        upkeep = fold(await self.records.read(Topic.UPKEEP))
        fields: dict[str, Plain] = {
            "task": task,
            "metres": upkeep.metres,
            "parts": [part[:60] for part in parts[:20]],
            "note": str(body.get("note", ""))[:200],
        }
        operator = operator_of(body, "01")
        wrong = unsupported(parts, self.models)
        if wrong:
            fields["unsupported"] = list(wrong)
        await self.records.append(Record(Topic.UPKEEP, "done", self.clock.now(), operator, fields))
        if not wrong:
            return {"ok": True, **fields}
        warning = f"不支持的配件 / Not a supported part: {', '.join(wrong)}"
        return {"ok": True, **fields, "lines": [f"{task}: 已登记 / noted", warning]}

    async def _fault(self, body: Body, _: Progress) -> Body:
        """A fault that a person saw; devices report their own on the same topic."""
        fields: dict[str, Plain] = {
            "part": text_of(body, "part")[:40],
            "text": text_of(body, "text")[:200],
        }
        operator = operator_of(body, "01")
        await self.records.append(Record(Topic.FAULT, "seen", self.clock.now(), operator, fields))
        return {"ok": True, **fields}

    async def _log(self, _: Body, __: Progress) -> Body:
        upkeep = fold(await self.records.read(Topic.UPKEEP))
        faults = await self.records.read(Topic.FAULT)
        return {
            "ok": True,
            "done": [asdict(each) | {"at": each.at.isoformat()} for each in upkeep.log],
            "faults": [
                {"at": each.at.isoformat(), "operator": each.operator, **_plain(each)}
                for each in faults
            ],
        }

    async def _score(self, body: Body, _: Progress) -> Body:
        days = body.get("days", 7)
        if type(days) is not int or not 1 <= days <= 366:
            raise CodecError("`days` is 1 to 366.")
        faults = await self.records.read(Topic.FAULT)
        system = await self.records.read(Topic.SYSTEM)
        found = score(faults, system, self.clock.now(), days)
        return {"ok": found.verdict == "ok", "days": days, **asdict(found)}


def _plain(record: Record) -> dict[str, Any]:
    return {k: v for k, v in record.body.items() if isinstance(v, (str, int))}
