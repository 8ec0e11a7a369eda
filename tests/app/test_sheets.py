from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posfw.activate.machine import Step
from posfw.app.documents import SlipComposer
from posfw.app.sheets import parameter_values
from posfw.board.site import parse_site
from posfw.journal.store import Journal
from posfw.values.document import Amount, Columns, Document, Field, Text
from posfw.values.errors import RefusedError
from posfw.values.events import Plain, Record, Topic
from posfw.values.printjob import Copy, DocumentKind, DocumentRef, Job
from posfw.values.slip import Merchant
from posfw.values.texts import ENGLISH
from tests.app.fakes import NOW, SetClock, opened
from tests.app.till import SITE

MERCHANT = Merchant("Test merchant", "898110154110001", "12345678", "Simulated acquirer")
SHOP = replace(parse_site(SITE, source="site.toml"), policy={"sum_minor": 700})


async def sheet(journal: Journal, subject: str) -> Document:
    composer = SlipComposer(journal, MERCHANT, ENGLISH, SetClock(), site=SHOP)
    return await composer.compose(Job(1, DocumentRef(DocumentKind.REPORT, subject), Copy.SINGLE))


def said(document: Document) -> list[str]:
    found = []
    for block in document.blocks:
        if isinstance(block, (Field, Amount)):
            found.append(f"{block.label}: {block.value}")
        elif isinstance(block, Text):
            found.append(block.text)
        elif isinstance(block, Columns):
            found.append(" | ".join(block.cells))
    return found


async def test_the_parameter_sheet_tells_site_file_and_sets_by_version(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        values: dict[str, Any] = {"version": 3, "per_transaction_minor": 10_000}
        keys: dict[str, Any] = {"version": 7, "ca_keys": [{"index": 1}, {"index": 2}]}
        for name, each in (("limits", values), ("emv", keys)):
            body: dict[str, Plain] = {"set": name, "values": each}
            await journal.append(Record(Topic.PARAMETERS, "loaded", NOW, body=body))
        lines = said(await sheet(journal, "parameters"))
        for line in (
            "policy sum_minor: 700",
            "参数/SET limits: 3",
            "limits per_transaction_minor: 10000",
            "参数/SET emv: 7",
            "emv ca_keys: 2",
            "收单方案/PROFILE: unionpay",
        ):
            assert line in lines


def test_a_sheet_without_a_site_file_has_the_program_alone() -> None:
    assert list(parameter_values(None, {})) == ["程序/PROGRAM"]


async def test_the_application_is_printed_as_it_was_filled_in(tmp_path: Path) -> None:
    async with opened(tmp_path, SetClock()) as journal:
        with pytest.raises(RefusedError) as nothing:
            await sheet(journal, "application")
        assert nothing.value.stable_code == "PRN-320"
        applied: dict[str, Plain] = {
            "account_name": "张三",
            "merchant_name": "小店",
            "city": "广州",
        }
        steps: tuple[tuple[Step, dict[str, Plain]], ...] = (
            (Step.PROFILE, {"profile": "lakala"}),
            (Step.PAPER, {"paper": "identity", "reference": "ID-7"}),
            (Step.APPLIED, {"application": applied}),
        )
        for step, body in steps:
            await journal.append(Record(Topic.ACTIVATION, step.value, NOW, body=body))
        lines = said(await sheet(journal, "application"))
        for line in (
            "ACCOUNT NAME/开户名: 张三",
            "city: 广州",
            "identity: ID-7",
            "APPLICANT/申请人签名:",
        ):
            assert line in lines


async def test_the_goods_of_a_sale_are_printed_with_their_descriptions(tmp_path: Path) -> None:
    key = "12345678-000001-000001"
    async with opened(tmp_path, SetClock()) as journal:
        item: list[Plain] = ["96385074", "茶", 1200, "龙井 50 克", 9]
        records: tuple[tuple[str, dict[str, Plain]], ...] = (
            ("imported", {"items": [item]}),
            ("sold", {"key": key, "lines": [["96385074", 2, 1200]]}),
            ("sold", {"key": "12345678-000001-000002", "lines": [["96385074", 5, 1200]]}),
            ("returned", {"key": key, "lines": [["96385074", 1, 1200]]}),
        )
        for name, body in records:
            await journal.append(Record(Topic.GOODS, name, NOW, body=body))
        lines = said(await sheet(journal, f"goods {key}"))
        assert lines[lines.index("茶") + 1] == "龙井 50 克"
        assert "2 | 12.00 | 24.00" in lines
        assert "-1 | 12.00 | -12.00" in lines
        assert lines[-1] == "TOTAL/合计: RMB 12.00"
        with pytest.raises(RefusedError):
            await sheet(journal, "goods 12345678-000001-000009")
