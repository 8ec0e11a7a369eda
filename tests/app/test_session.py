from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest

from posfw.app.answers import conclusion_answer
from posfw.app.catalogue import load_texts
from posfw.app.documents import SlipComposer
from posfw.app.printing import Printing
from posfw.app.session import Session
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.printer.queue import PrinterView
from posfw.sale.limits import OfflinePolicy
from posfw.uplink.task import LineState, Uplink, UplinkState
from posfw.values.card import EntryMode
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.slip import Merchant
from posfw.values.transaction import Conclusion, Ending, Intent, Kind, Owed, OwedKind


@dataclass
class Line:
    """The part of an uplink that the status reads."""

    state: UplinkState

    @property
    def online(self) -> bool:
        return self.state.line is LineState.ONLINE


@pytest.mark.may_block
@pytest.mark.parametrize(
    ("language", "line_text", "printer_text"),
    [
        ("zh-Hans", "线路中断。请检查网络。", "打印机缺纸，请装纸。"),
        ("zh-Hant", "線路中斷。請檢查網路。", "印表機缺紙，請裝紙。"),
        ("en", "NET-126", "PRN-202"),
    ],
)
async def test_the_status_tells_line_and_printer_in_the_merchants_language(
    journal: Journal, clock: Clock, language: str, line_text: str, printer_text: str
) -> None:
    texts = load_texts(language)
    composer = SlipComposer(journal, Merchant("Test", "898110154110001", "12345678"), texts, clock)
    printing = Printing(journal, composer, lambda: None, clock)
    line = Line(UplinkState(LineState.OFFLINE, clock.now(), "The line broke.", "NET-126"))
    session = Session(journal, cast("Uplink", line), clock, printing, OfflinePolicy, texts)

    calm = await session.status()
    assert (calm["printer_reason"], calm["printer_text"]) == ("", "")
    printing.watch(PrinterView(reason="PRN-202"))
    told = await session.status()
    assert (told["line_code"], told["printer_reason"]) == ("NET-126", "PRN-202")
    assert (told["line_text"], told["printer_text"]) == (line_text, printer_text)


@pytest.mark.may_block
async def test_the_status_counts_down_what_may_still_be_sold_without_a_line(
    journal: Journal, clock: Clock
) -> None:
    texts = load_texts("zh-Hans")
    composer = SlipComposer(journal, Merchant("Test", "898110154110001", "12345678"), texts, clock)
    line = Line(UplinkState(LineState.OFFLINE, clock.now()))
    policy = OfflinePolicy(enabled=True, count=2, sum_minor=3000, age_h=1.0)
    printing = Printing(journal, composer, lambda: None, clock)
    session = Session(journal, cast("Uplink", line), clock, printing, lambda: policy, texts)

    async def left() -> tuple[object, ...]:
        told = await session.status()
        names = ("open", "left_count", "left_minor", "left_s")
        return tuple(told[f"offline_{name}"] for name in names)

    assert await left() == (True, 2, 3000, None)
    at = clock.now() - timedelta(minutes=50)
    intent = Intent(Kind.SALE, Money(1250), EntryMode.SWIPED, "", b"t" * 16, "01", at)
    begun = await journal.begin(intent)
    owed = (Owed(0, OwedKind.ADVICE, begun.key, sealed=b"s"),)
    await journal.conclude(Conclusion(begun.key, Ending.APPROVED_OFFLINE, at, owed=owed))
    open_now, count, minor, seconds = await left()
    assert (open_now, count, minor) == (True, 1, 1750)
    assert isinstance(seconds, int)
    assert 0 < seconds <= 600


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("zh-Hans", "线路中断。; 此卡脱机笔数已达上限"),
        ("en", "The line broke.; the number of this card's stored sales is used up"),
    ],
)
def test_a_sale_refused_offline_says_why_in_the_merchants_language(
    clock: Clock, language: str, line: str
) -> None:
    reason = "The line broke.; the number of this card's stored sales is used up"
    ending = Conclusion(Key("12345678", 1, 2), Ending.CANCELLED, clock.now(), reason=reason)
    told = conclusion_answer(ending, load_texts(language))
    assert told["lines"][-1] == line
    assert told["reason"] == reason  # the record stays in one language
