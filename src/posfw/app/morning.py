"""开机查询: what to look at before the first sale, each point with what to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from posfw.app.demands import ADVICE
from posfw.app.gate import Gate
from posfw.app.network import Network
from posfw.app.printing import Printing
from posfw.app.verbs import Body, Progress, Verb
from posfw.journal.store import Journal
from posfw.ports import Acquirer, Clock
from posfw.settle.schedule import Level, notices
from posfw.upkeep.plan import due, fold, unsupported
from posfw.uplink.certificate import WARN_DAYS
from posfw.values.errors import LinkError
from posfw.values.events import Topic
from posfw.values.transaction import Standing

__all__ = ["Check", "Morning"]

MOST_CLOCK_S = 120.0  # more, and slips and settlement carry a wrong time


@dataclass(frozen=True, slots=True)
class Check:
    """One point.

    Attributes:
        id: its name.
        ok: whether it is as it should be.
        needed: False where a sale is taken all the same.
        zh, en: what it is about.
        advice: what to do, "" where nothing is to be done.
    """

    id: str
    ok: bool
    zh: str
    en: str
    advice: str = ""
    needed: bool = True

    @property
    def line(self) -> str:
        """One line for people."""
        sign = "✓" if self.ok else "✗" if self.needed else "!"
        told = f"{sign} {self.zh} / {self.en}"
        return told if self.ok else f"{told}: {self.advice}"


@dataclass(frozen=True, slots=True)
class Morning:
    """The verb `ready` over everything that a day needs.

    Attributes:
        certificate_days: whole days until the terminal's certificate ends.
        network: link and address, None where neither can be asked.
    """

    journal: Journal
    acquirer: Acquirer
    gate: Gate
    printing: Printing
    clock: Clock
    certificate_days: Callable[[], Awaitable[int]]
    network: Network | None = None

    def verbs(self) -> Mapping[str, Verb]:
        """Return the start-of-day verb."""
        return {"ready": self._ready}

    async def _ready(self, _: Body, __: Progress) -> Body:
        status = await self.gate.status()
        standing = await self.journal.standing()
        checks = (
            Check("active", status["may_sell"], "已激活", "active", "posfw activate status"),
            *await self._network(),
            *await self._line(),
            await self._certificate(),
            *self._session(standing),
            await self._demands(),
            *await self._people(status),
            *await self._paper(),
            *await self._care(standing),
        )
        return {
            "ok": all(check.ok for check in checks if check.needed),
            "checks": [
                {"id": check.id, "ok": check.ok, "needed": check.needed, "advice": check.advice}
                for check in checks
            ],
            "links": await self._links(),
            "parameters": await self.gate.merchant.parameters.versions(),
            "lines": [check.line for check in checks],
        }

    async def _network(self) -> tuple[Check, ...]:
        """Tell link and address apart from the host; neither alone stops a line that answers."""
        if self.network is None:
            return ()
        link, address = await self.network.trouble()
        own = Check("address", not address, "网络地址", "address", address, needed=False)
        if await self.network.links() is None:
            return (own,)  # a kernel that tells nothing proves no link
        return (Check("link", not link, "网线或信号", "link", link, needed=False), own)

    async def _links(self) -> list[str]:
        found = await self.network.links() if self.network else None
        return [link.line for link in found or ()]

    async def _line(self) -> tuple[Check, ...]:
        """Ask the acquirer now: a line that was up a minute ago proves nothing."""
        answer: Mapping[str, object] = {}
        try:
            answer = await self.acquirer.call("echo", {})
            trouble = ""
        except LinkError as error:
            trouble = error.cause
        up = answer.get("response_code") == "00"
        line = Check("line", up, "线路", "line to the acquirer", f"{trouble} posfw doctor".strip())
        return (line, *self._time(answer.get("host_time")))

    async def _certificate(self) -> Check:
        """Warn while there is time: the line is dead from the day on which it ends."""
        days = await self.certificate_days()
        advice = f"{days} d; posfw certificate renew"
        return Check(
            "certificate", days > WARN_DAYS, "证书", "certificate", advice, needed=days < 0
        )

    def _time(self, told: object) -> tuple[Check, ...]:
        """Compare the clock with the acquirer's, where it told its time."""
        if not isinstance(told, str):
            return ()
        now = self.clock.now()
        try:
            theirs = datetime.strptime(told, "%Y%m%d%H%M%S").replace(tzinfo=now.tzinfo)
        except ValueError:
            return ()
        apart_s = abs((now - theirs).total_seconds())
        advice = f"{apart_s:.0f} s; set the clock 校准时钟"
        return (Check("clock", apart_s <= MOST_CLOCK_S, "时钟", "clock", advice),)

    def _session(self, standing: Standing) -> tuple[Check, ...]:
        owed = standing.in_doubt + standing.reversals
        return (
            Check("signed_on", standing.signed_on, "已签到", "signed on", "posfw sign-on"),
            Check(
                "settling",
                not standing.settling,
                "无未完结算",
                "no open settlement",
                "posfw settle",
            ),
            Check(
                "doubt",
                not owed,
                "无疑账",
                "nothing in doubt",
                "wait for the line 等待线路",
                needed=False,
            ),
            Check(
                "rejected",
                not standing.rejected,
                "无拒收",
                "nothing rejected",
                "posfw owed list",
                needed=False,
            ),
        )

    async def _demands(self) -> Check:
        """Tell what the acquirer wants done before the next sale and is not done yet."""
        demands = self.gate.merchant.demands
        blocks = await demands.refusal() is not None  # does what can be done now
        left = sorted(await demands.open())
        advice = ", ".join(f"{flag}: {ADVICE[flag]}" for flag in left)
        return Check("do_first", not left, "处理要求", "asked first", advice, needed=blocks)

    async def _people(self, status: Mapping[str, Any]) -> tuple[Check, ...]:
        if not status["operators"]:
            return ()
        there = bool(status["operator"]) and not status["locked"]
        return (Check("operator", there, "操作员", "operator", "posfw operator in NUMBER"),)

    async def _paper(self) -> tuple[Check, ...]:
        view, unknown = self.printing.view, (await self.journal.standing()).unknown_prints
        advice = f"{view.reason} posfw printer status"
        return (
            Check("printer", not view.reason, "打印机", "printer", advice, needed=False),
            Check(
                "prints",
                not unknown,
                "签购单齐全",
                "no slip unknown",
                "posfw prints reprint",
                needed=False,
            ),
        )

    async def _care(self, standing: Standing) -> tuple[Check, ...]:
        now = self.clock.now()
        rules = self.gate.merchant.settlement.escalation
        pressing = notices(rules, standing, 0, now)
        refused = any(notice.level is Level.REFUSE for notice in pressing)
        log = fold(await self.journal.read(Topic.UPKEEP))
        upkeep = due(log, now)
        # The newest of each kind is the one that is fitted.
        fitted = {part.partition(":")[0]: part for each in log.log for part in each.parts}
        foreign = ", ".join(unsupported(fitted.values(), self.gate.merchant.office.models))
        work = ", ".join(each.task.id for each in upkeep if each.why)
        return (
            Check("batch", not refused, "批次", "batch", "posfw settle"),
            Check(
                "settle_soon",
                not pressing,
                "无需结算",
                "no settlement pressing",
                "posfw settle plan",
                needed=False,
            ),
            Check("upkeep", not work, "维护", "upkeep", f"{work}: posfw upkeep due", needed=False),
            Check(
                "parts",
                not foreign,
                "配件",
                "parts",
                f"{foreign}: 不支持 unsupported",
                needed=False,
            ),
        )
