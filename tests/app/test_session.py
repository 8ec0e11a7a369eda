from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from posfw.app.catalogue import load_texts
from posfw.app.documents import SlipComposer
from posfw.app.printing import Printing
from posfw.app.session import Session
from posfw.journal.store import Journal
from posfw.ports import Clock
from posfw.printer.queue import PrinterView
from posfw.sale.limits import OfflinePolicy
from posfw.uplink.task import LineState, Uplink, UplinkState
from posfw.values.slip import Merchant


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
    printing = Printing(journal, composer, None, clock)
    line = Line(UplinkState(LineState.OFFLINE, clock.now(), "The line broke.", "NET-126"))
    session = Session(journal, cast("Uplink", line), clock, printing, OfflinePolicy(), texts)

    calm = await session.status()
    assert (calm["printer_reason"], calm["printer_text"]) == ("", "")
    printing.watch(PrinterView(reason="PRN-202"))
    told = await session.status()
    assert (told["line_code"], told["printer_reason"]) == ("NET-126", "PRN-202")
    assert (told["line_text"], told["printer_text"]) == (line_text, printer_text)
