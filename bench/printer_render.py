"""The claim of a slip's bytes: a two-copy Chinese receipt beside python-escpos."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from bench.claim import Claim, best
from posfw.printer import sheet
from posfw.printer.raster import Raster
from posfw.printer.store import open_glyphs
from posfw.sale.receipt import receipt
from posfw.values.card import EntryMode
from posfw.values.document import Document
from posfw.values.hardware import PrinterProfile
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.printjob import Copy
from posfw.values.slip import Merchant
from posfw.values.texts import Texts
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

RECEIPTS = 40
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MERCHANT = Merchant(
    "好日子便利店(人民路店)", "898310154110001", "12345678", "银联商务", find_code=True
)
TEXTS = Texts("zh-Hans")
PROFILE = PrinterProfile(cutter="partial")
INTENT = Intent(
    kind=Kind.SALE,
    amount=Money(0),
    entry_mode=EntryMode.SWIPED,
    card_masked="621234******1232",
    card_token=b"t" * 16,
    operator="01",
    at=NOW,
    expiry="3012",
)


def _documents(stan: int) -> list[Document]:
    """Return both copies of a receipt; every one has its own number, amount and codes."""
    intent = replace(INTENT, amount=Money(stan * 1237))
    transaction = Transaction(
        Begun(Key("12345678", 1, stan), stan, intent),
        State.APPROVED,
        answer=Answer("00", f"{stan * 7919:06d}", f"{stan * 104729:012d}"),
    )
    copies = (Copy.MERCHANT, Copy.CARDHOLDER)
    return [receipt(transaction, MERCHANT, TEXTS, copy=copy) for copy in copies]


def _ours_ms() -> float:
    """Compose, lay out, draw and encode, with a fresh glyph cache: the first slips pay for it."""
    canvas = Raster(open_glyphs(), PROFILE.dots)
    before = time.process_time()
    for stan in range(1, RECEIPTS + 1):
        for document in _documents(stan):
            b"".join(strip.data for strip in sheet.strips(document, PROFILE, canvas))
    return (time.process_time() - before) / RECEIPTS * 1e3


def _python_escpos() -> Any:
    """Import it as its manual says a product should: with a place for its cache."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ESCPOS_CAPABILITIES_PICKLE_DIR"] = folder
        from escpos.printer import Dummy  # noqa: PLC0415  # its import has side effects

        return Dummy


def _theirs_ms() -> float:
    """python-escpos from finished pictures of the same dots: it need not lay out or draw."""
    printer_class = _python_escpos()
    canvas = Raster(open_glyphs(), PROFILE.dots)
    pictures = []
    for stan in range(1, RECEIPTS + 1):
        for document in _documents(stan):
            page = sheet.page(document, canvas)
            rows = bytes(byte ^ 0xFF for byte in page.rows())
            pictures.append(Image.frombytes("1", (page.dots, page.height), rows))
    printer = printer_class(profile="POS-5890")  # 384 dots; without one it logs every picture
    before = time.process_time()
    for picture in pictures:
        printer.clear()
        printer.image(picture, impl="bitImageRaster")
        printer.cut(mode="PART")
        printer.output  # noqa: B018  # joins what was sent
    return (time.process_time() - before) / RECEIPTS * 1e3


def receipt_render() -> Claim:
    """CPU from the journal's facts to bytes, two copies, against pictures already drawn."""
    return Claim(
        best(_ours_ms),
        best(_theirs_ms),
        "ms CPU",
        0.5,
        "compose, lay out, draw and encode two copies, 384 dots; other: python-escpos encodes"
        " finished pictures of the same dots",
    )


CLAIMS = {"receipt_render": receipt_render}
