"""What the cashier can ask about paper: print again, decide what nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.values.document import Copy, DocumentKind, DocumentRef, JobState
from posfw.values.errors import CodecError, RefusedError
from posfw.values.identity import parse_key

__all__ = ["Printing"]


@dataclass(frozen=True, slots=True)
class Printing:
    """Verbs over the print queue."""

    journal: Journal
    clock: Clock

    def verbs(self) -> Mapping[str, Verb]:
        """Return the printing verbs."""
        return {"unknown_prints": self._unknown_prints, "reprint": self._reprint}

    async def _unknown_prints(self, body: Body, _: Progress) -> Body:
        decision = text_of(body, "decision")
        if decision not in ("reprint", "void"):
            raise CodecError("The decision is reprint or void.")
        unknown = await self.journal.jobs(JobState.UNKNOWN)
        for job in unknown:
            now = self.clock.now()
            await self.journal.mark(job, JobState.VOID, job.band, decision, now)
            if decision == "reprint":
                await self.journal.enqueue(job.ref, job.copy, now, duplicate=True)
        return {"ok": True, "decided": len(unknown), "decision": decision}

    async def _reprint(self, body: Body, _: Progress) -> Body:
        key = parse_key(text_of(body, "key"))
        if await self.journal.transaction(key) is None:
            raise RefusedError(
                f"There is no transaction {key}.", code="SAL-301", next_step="Check the number."
            )
        ref = DocumentRef(DocumentKind.RECEIPT, str(key))
        job = await self.journal.enqueue(ref, Copy.MERCHANT, self.clock.now(), duplicate=True)
        return {"ok": True, "job": job.number}
