"""The slips that the product composes, on both papers and in every language, down to the dots."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posfw.printer import preview, sheet
from posfw.printer.glyphs import columns, is_narrow
from posfw.printer.layout import Line, lay_out
from posfw.printer.raster import Raster
from posfw.printer.store import open_glyphs
from posfw.sale.receipt import fault_slip, receipt
from posfw.settle.slips import Settled, parameter_slip, report_slip, settlement_slip
from posfw.settle.totals import Difference
from posfw.values.card import EntryMode
from posfw.values.document import Document, Field
from posfw.values.hardware import PrinterProfile
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Answer
from posfw.values.printjob import Copy
from posfw.values.slip import Merchant
from posfw.values.texts import LANGUAGES, Texts
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

pytestmark = pytest.mark.may_block

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
MERCHANT = Merchant(
    "好日子便利店(人民路喆堃分店)", "898310154110001", "12345678", "银联商务", find_code=True
)
GLYPHS = open_glyphs()


def made(stan: int, minor: int, kind: Kind = Kind.SALE, **changes: object) -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"",
        operator="01",
        at=NOW,
        expiry="3012",
        original=Key("12345678", 1, 1) if kind.needs_original else None,
        test=True,
        note="订单 A-17",
    )
    transaction = Transaction(
        Begun(Key("12345678", 1, stan), stan, intent),
        State.APPROVED,
        answer=Answer("00", "123456", "000012345678", balance_minor=1),
    )
    return replace(transaction, **changes)  # type: ignore[arg-type]  # test facts


def slips(language: str) -> list[Document]:
    texts = Texts(language)
    batch = [made(stan, 99_999_999, kind) for stan, kind in enumerate(Kind, start=1)]
    settled = Settled(
        1, NOW, NOW, balanced=False, differences=(Difference(3, 1, None),), head="A1B2C3D4"
    )
    return [
        *(
            receipt(sale, MERCHANT, texts, copy=copy, duplicate=True, original=batch[0])
            for sale in batch
            for copy in Copy
        ),
        *(
            receipt(made(1, 1, state=state, offline=True), MERCHANT, texts, copy=Copy.MERCHANT)
            for state in State
        ),
        receipt(made(1, 1), MERCHANT, texts, copy=Copy.MERCHANT, free_limit=Money(100_000)),
        fault_slip(batch[0], MERCHANT, texts, code="96", at=NOW),
        settlement_slip(settled, batch, MERCHANT, texts),
        report_slip("X", 1, batch, MERCHANT, texts, opened_at=NOW, at=NOW),
        parameter_slip({"结算时间/SETTLE AT": "21:30"}, MERCHANT, texts, at=NOW),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("dots", [384, 576])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slip_fits_and_every_character_has_a_glyph(language: str, dots: int) -> None:
    canvas = Raster(GLYPHS, dots)
    profile = PrinterProfile(dots=dots, cutter="partial")
    for slip in slips(language):
        for line in lay_out(slip.blocks, dots):
            for span in line.spans if isinstance(line, Line) else ():
                assert span.end <= dots // 12
                assert [c for c in span.text if not is_narrow(c) and c not in GLYPHS] == []
                assert columns(span.text) == len(span.text.encode("gb18030"))
        strips = sheet.strips(slip, profile, canvas)
        assert sum(strip.rows for strip in strips) == sheet.page(slip, canvas).height


@pytest.mark.parametrize("language", LANGUAGES)
def test_on_wide_paper_every_label_shares_the_line_with_its_value(language: str) -> None:
    """58 mm breaks some fields; 80 mm must not, or the words have grown too long."""
    fields = {b for slip in slips(language) for b in slip.blocks if isinstance(b, Field)}
    assert len(fields) > 30
    assert [field for field in fields if len(lay_out((field,), 576)) > 1] == []


def test_the_code_on_a_receipt_leads_back_to_the_transaction(tmp_path: Path) -> None:
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is not there: apt-get install zbar-tools")
    path = tmp_path / "receipt.png"
    slip = receipt(made(7, 1_250), MERCHANT, Texts("zh-Hans"), copy=Copy.CARDHOLDER)
    path.write_bytes(preview.png(sheet.page(slip, Raster(GLYPHS, 384))))
    done = subprocess.run(["zbarimg", "-q", "--raw", path], capture_output=True, check=True)
    assert done.stdout == b"12345678-000001-000007\n"
