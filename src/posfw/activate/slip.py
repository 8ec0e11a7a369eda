"""申请表: what was applied for at the bank, on paper to be signed (S54). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from posfw.values.document import Block, Cut, Document, Feed, Field, Rule, Text, Title
from posfw.values.printjob import Copy, DocumentKind, DocumentRef
from posfw.values.slip import Merchant, Word
from posfw.values.texts import Texts

__all__ = ["application_slip"]

_TITLE = Word("开通申请表", "開通申請表", "APPLICATION")
_PAPERS = Word("所附材料", "所附材料", "PAPERS")
_SIGNATURE = Word("申请人签名", "申請人簽名", "APPLICANT")
_L = MappingProxyType(
    {
        "account_name": Word("开户名", "開戶名", "ACCOUNT NAME"),
        "merchant_name": Word("商户名称", "商戶名稱", "MERCHANT"),
        "acquirer": Word("收单方", "收單方", "ACQUIRER"),
        "terminal": Word("终端编号", "終端編號", "TERMINAL NO."),
        "printed": Word("打印时间", "列印時間", "PRINTED"),
    }
)


def application_slip(
    application: Mapping[str, str],
    papers: Mapping[str, str],
    acquirer: str,
    merchant: Merchant,
    texts: Texts,
    *,
    at: datetime,
) -> Document:
    """Compose the application: every field as filled in, references of papers, signature."""
    language = texts.language

    def label(name: str) -> str:
        return _L[name].pair(language) if name in _L else name

    blocks: list[Block] = [
        Title(_TITLE.lines(language)[0]),
        Text(_TITLE.lines(language)[1], align="centre"),
        Rule(),
        Field(label("acquirer"), acquirer),
        Field(label("terminal"), merchant.terminal),
        *(Field(label(name), value) for name, value in application.items()),
    ]
    if papers:
        blocks += (Rule(), Text(_PAPERS.pair(language), bold=True))
        blocks += (Field(name, reference) for name, reference in papers.items())
    blocks += (
        Rule(),
        Field(label("printed"), f"{at:%Y/%m/%d %H:%M:%S}"),
        Text(_SIGNATURE.pair(language) + ":"),
        Feed(2),
        Rule(),
        Cut(),
    )
    ref = DocumentRef(DocumentKind.REPORT, "application")
    return Document(ref, Copy.SINGLE, tuple(blocks))
