"""What the cashier can ask about paper: look at it, print again, decide what nobody knows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import anyio

from posfw.app.later import lazily
from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.journal.store import Journal
from posfw.ports import Clock, Documents
from posfw.printer.queue import PrinterView
from posfw.values.errors import CodecError, ConfigError
from posfw.values.identity import parse_key
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job, JobState

if TYPE_CHECKING:
    from posfw.printer import preview, sheet
    from posfw.printer.raster import Raster
    from posfw.values.document import Document
else:
    preview = lazily("posfw.printer.preview")
    sheet = lazily("posfw.printer.sheet")

__all__ = ["Printing"]

PRINTED_S = 60.0  # a long slip on a hot, slow mechanism
_ENDED = (JobState.DONE, JobState.UNKNOWN, JobState.VOID)


@dataclass(slots=True, eq=False, repr=False)
class Printing:
    """Verbs over the print queue.

    Attributes:
        journal: the queue.
        composer: documents as the journal has them now.
        canvas: gives what draws previews, None where there are no glyphs.
        clock: local time.
        view: what the printer was last seen doing.
    """

    journal: Journal
    composer: Documents
    canvas: Callable[[], Raster | None]
    clock: Clock
    view: PrinterView = field(default_factory=PrinterView)
    _moved: anyio.Event = field(default_factory=anyio.Event)

    def watch(self, view: PrinterView) -> None:
        """Take a change of the printer's view."""
        self.view = view
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    async def changed(self) -> PrinterView:
        """Return the view after its next change."""
        await self._moved.wait()
        return self.view

    async def printed(self, number: int, limit_s: float = PRINTED_S) -> bool:
        """Wait until the job of this number has ended; return whether it is on paper."""
        with anyio.move_on_after(limit_s):
            while True:
                moved = self._moved
                for state in _ENDED:
                    if number in {job.number for job in await self.journal.jobs(state)}:
                        return state is JobState.DONE
                await moved.wait()
        return False

    def verbs(self) -> Mapping[str, Verb]:
        """Return the printing verbs."""
        return {
            "unknown_prints": self._unknown_prints,
            "reprint": self._reprint,
            "print": self._print,
            "preview": self._preview,
            "printer": self._printer,
        }

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
        ref = DocumentRef(DocumentKind.RECEIPT, str(parse_key(text_of(body, "key"))))
        copy = _copy(body)
        await self.composer.compose(Job(0, ref, copy))  # refused now, not by a blank slip later
        job = await self.journal.enqueue(ref, copy, self.clock.now(), duplicate=True)
        return {"ok": True, "job": job.number}

    async def _printer(self, _: Body, __: Progress) -> Body:
        return {"ok": True, **asdict(self.view)}

    async def _print(self, body: Body, _: Progress) -> Body:
        """Queue a settlement slip, a report (X12, Z11), a fault slip or a test print."""
        job = await self.journal.enqueue(
            (await self._asked(body)).ref, Copy.SINGLE, self.clock.now()
        )
        return {"ok": True, "job": job.number}

    async def _preview(self, body: Body, _: Progress) -> Body:
        """Return the picture of a slip, dot for dot what the paper shows."""
        canvas = self.canvas()
        if canvas is None:
            raise ConfigError("There are no glyphs to draw with.", code="PRN-310")
        drawn = sheet.page(await self._asked(body), canvas)
        picture = base64.b64encode(preview.png(drawn)).decode()
        return {"ok": True, "width_dots": drawn.dots, "height_dots": drawn.height, "png": picture}

    async def _asked(self, body: Body) -> Document:
        kinds = {kind.value: kind for kind in DocumentKind}
        kind = kinds.get(str(body.get("kind", DocumentKind.RECEIPT.value)))
        if kind is None:
            raise CodecError(f"The kind is one of {', '.join(kinds)}.")
        ref = DocumentRef(kind, text_of(body, "subject"))
        duplicate = body.get("duplicate") is True
        return await self.composer.compose(Job(0, ref, _copy(body), duplicate=duplicate))


def _copy(body: Body) -> Copy:
    copies = {copy.value: copy for copy in Copy}
    copy = copies.get(str(body.get("copy", Copy.MERCHANT.value)))
    if copy is None:
        raise CodecError(f"The copy is one of {', '.join(copies)}.")
    return copy
