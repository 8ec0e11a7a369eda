"""Glyphs, a slip with every block, and the foreign printer emupos as a judge."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from posfw.printer.glyphs import Glyphs
from posfw.printer.raster import Raster
from posfw.printer.store import open_glyphs
from posfw.values.document import (
    Amount,
    Barcode,
    Block,
    Columns,
    Cut,
    Document,
    Feed,
    Field,
    Logo,
    Mark,
    Qr,
    Rule,
    Text,
    Title,
)
from posfw.values.printjob import Copy, DocumentKind, DocumentRef

ROOT = Path(__file__).resolve().parent.parent.parent
EMUPOS = ROOT / ".venv-emupos"

QR_TEXT = "https://example.org/r/12345678-000001-000007?备注=店"
GTIN = "6901234567892"
BLOCKS: tuple[Block, ...] = (
    Logo(104, tuple(bytes((170 >> (row % 2),)) * 13 for row in range(30))),
    Title("银联POS签购单"),
    Mark("重打印/DUPLICATE"),
    Field("商户名称/MERCHANT", "好日子便利店(人民路喆堃分店)有限责任公司"),
    Field("終端編號/TERMINAL NO.", "12345678"),
    Rule(),
    Columns(("消费/SALE", "12", "1,234,567.89"), (5, 2, 6)),
    Amount("金额/AMOUNT", "RMB 12.50"),
    Amount("金额/AMOUNT", "RMB 9,999,999,999.99"),
    Text("本人确认以上交易,同意将其计入本卡账户。 I ACKNOWLEDGE SATISFACTORY RECEIPT", bold=True),
    Qr(QR_TEXT),
    Barcode(GTIN),
    Feed(2),
    Text("谢谢惠顾", align="centre"),
    Cut(),
)


def document(*blocks: Block, copy: Copy = Copy.MERCHANT) -> Document:
    return Document(DocumentRef(DocumentKind.RECEIPT, "12345678-000001-000007"), copy, blocks)


@dataclass(frozen=True)
class Seen:
    """What emupos printed and answered."""

    pictures: tuple[Image.Image, ...]
    texts: tuple[str, ...]
    replies: tuple[bytes, ...]
    unknown: tuple[Any, ...]


Judge = Callable[..., Seen]


@pytest.fixture(scope="session")
def glyphs() -> Glyphs:
    return open_glyphs()


@pytest.fixture(scope="session")
def canvas(glyphs: Glyphs) -> Callable[[int], Raster]:
    made: dict[int, Raster] = {}
    return lambda dots: made.setdefault(dots, Raster(glyphs, dots))


@pytest.fixture(scope="session")
def sample() -> Document:
    return document(*BLOCKS)


@pytest.fixture(scope="session")
def emupos() -> Judge:
    """Return `judge(dots, step, …)`: bytes are sent, ("paper-out", True) sets a fault."""
    if not (EMUPOS / "ready").exists():
        pytest.skip("emupos is not there: `make emupos` (needs Python 3.13)")

    def judge(dots: int, *steps: bytes | tuple[str, bool]) -> Seen:
        told = [
            ["send", step.hex()] if isinstance(step, bytes) else ["fault", *step] for step in steps
        ]
        script = Path(__file__).parent / "judge_emupos.py"
        done = subprocess.run(
            [EMUPOS / "bin/python", script],
            input=json.dumps({"dots": dots, "steps": told}),
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return Seen(
            tuple(
                Image.open(io.BytesIO(base64.b64decode(receipt["png"]))).convert("1")
                for receipt in answer["receipts"]
            ),
            tuple(receipt["text"] for receipt in answer["receipts"]),
            tuple(bytes.fromhex(reply) for reply in answer["replies"]),
            tuple(answer["unknown"]),
        )

    return judge
