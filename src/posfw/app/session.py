"""The terminal's day with its acquirer: sign-on, and how it all stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posfw.app.demands import told as wanted
from posfw.app.journalling import take_over_numbers
from posfw.app.printing import Printing
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.sale.limits import OfflinePolicy, offline_left
from posfw.uplink.task import Uplink
from posfw.values.errors import RefusedError
from posfw.values.events import Record, Topic
from posfw.values.printjob import JobState
from posfw.values.texts import Texts

__all__ = ["Session"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Session:
    """Management functions over journal and uplink.

    Attributes:
        offline: gives the policy that counts now.
        texts: the merchant's language, for what line and printer say by their codes.
    """

    journal: Journal
    uplink: Uplink
    clock: Clock
    printing: Printing
    offline: Callable[[], OfflinePolicy]
    texts: Texts

    async def sign_on(self) -> dict[str, Any]:
        """签到: exchange numbers with the acquirer; durable before it is reported.

        Raises:
            LinkError: the acquirer did not answer.
            RefusedError: NET-141, it does not let this terminal work.
        """
        standing = await self.journal.standing()
        answer = await self.uplink.call("sign_on", {"batch": standing.batch})
        code = str(answer.get("response_code"))
        if code != "00":
            raise RefusedError(
                f"The acquirer refused the sign-on: {code}.",
                code="NET-141",
                effect="Nothing can be sold.",
                next_step="Call the acquirer with this code.",
            )
        told = answer.get("witness")
        if isinstance(told, bytes):
            await self.journal.witness(told, self.clock.now())
        # An old copy of the journal must not give out numbers that the acquirer has seen.
        await take_over_numbers(self.journal, answer, self.clock.now())
        body = {k: v for k, v in answer.items() if isinstance(v, (int, str)) and k != "batch"}
        record = Record(Topic.SESSION, "signed_on", self.clock.now(), body=body)
        await self.journal.append(record)
        flags = sorted(wanted(answer))
        return {"ok": True, "batch": standing.batch, "response_code": code, "do_first": flags}

    async def status(self) -> dict[str, Any]:
        """Return everything that the idle screen shows, JSON-able."""
        standing = await self.journal.standing()
        oldest = standing.offline_oldest_at
        left = offline_left(standing, self.offline(), self.clock.now())
        queued = await self.journal.jobs(JobState.QUEUED)
        paused = await self.journal.jobs(JobState.PAUSED)
        printing = await self.journal.jobs(JobState.PRINTING)
        return {
            "ok": True,
            "online": self.uplink.online,
            "line": self.uplink.state.line.value,
            "line_code": self.uplink.state.code,
            "line_text": self.texts(self.uplink.state.code),
            "journal_behind": self.journal.behind,
            "batch": standing.batch,
            "next_stan": standing.next_stan,
            "records": standing.records,
            "in_doubt": standing.in_doubt,
            "reversals": standing.reversals,
            "offline_count": standing.offline_count,
            "offline_sum_minor": standing.offline_sum,
            "offline_oldest_at": oldest.isoformat() if oldest else "",
            "offline_open": left.open_now,
            "offline_left_s": left.seconds,
            "offline_left_count": left.count,
            "offline_left_minor": left.sum_minor,
            "signed_on": standing.signed_on,
            "settling": standing.settling,
            "rejected": standing.rejected,
            "unknown_prints": standing.unknown_prints,
            "printer": self.printing.view.activity.value,
            "printer_reason": self.printing.view.reason,
            "printer_text": self.texts(self.printing.view.reason),
            "printer_resumes_s": self.printing.view.resumes_s,
            "waiting_prints": len(queued) + len(paused) + len(printing),
        }
