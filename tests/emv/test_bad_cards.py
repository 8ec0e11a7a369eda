"""Bad cards, one a row: the outcome the Books prescribe, and what the cashier is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from posfw.app.catalogue import load_texts
from posfw.emv.bits import TVR
from posfw.emv.codes import SENTENCES, Code
from posfw.emv.completion import mute_at_reset
from posfw.emv.effects import Fallback, Finished, Verdict
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.profile import UNIONPAY, Profile

QUIET = replace(UNIONPAY, cvm="1F00", issuer_authentication="none")  # sets no bit by itself
SMALL, LARGE = 5_000, 30_000
V = Verdict
Answers = Callable[[bytes, bytes], bytes]


def without(tag: int, **changes: Any) -> Profile:
    return replace(QUIET, without=frozenset({tag}), **changes)


def saying(**objects: bytes) -> Profile:
    """Return a card whose signed record says these objects, by tag in hex."""
    return replace(QUIET, extra={int(tag[1:], 16): value for tag, value in objects.items()})


def answering(marker: bytes, change: Callable[[bytes], bytes]) -> Answers:
    """Return a change of the answers to commands that begin so."""
    return lambda command, right: change(right) if command.startswith(marker) else right


@dataclass(frozen=True)
class Row:
    """A card, the section of EMV 4.3 that says what becomes of it, and the outcome."""

    name: str
    book: str
    verdict: Verdict
    code: Code = Code.NONE
    profile: Profile = QUIET
    tvr: TVR = TVR.NONE
    minor: int = SMALL
    answers: Answers | None = None
    card: dict[str, Any] = field(default_factory=dict)
    line: bool = True


ENDED, ONLINE = V.DECLINED_OFFLINE, V.APPROVED_ONLINE
NOT_YET = replace(QUIET, effective="261125")
OVER = replace(QUIET, expiry="261123")
DOLLARS_ONLY = replace(QUIET, cvm="01061F06", cvm_x=99_999, currency=999)
SELECT, GPO, READ, AC = b"\x00\xa4", b"\x80\xa8", b"\x00\xb2", b"\x80\xae"
ARQC = b"\x9f\x27\x01\x80"  # cryptogram information data
ROWS = (
    Row("no payment card", "1, 12.3.2", V.TERMINATED, Code.NO_APPLICATION,
        answers=answering(b"", lambda _: b"\x6d\x00")),
    Row("unknown payment system", "1, 12.3.3", V.TERMINATED, Code.NO_APPLICATION,
        answers=answering(SELECT, lambda _: b"\x6a\x82")),
    Row("blocked card", "1, 12.3.2", V.TERMINATED, Code.CARD_BLOCKED,
        card={"card_blocked": True}),
    Row("not yet valid, the issuer is asked", "3, 10.4.3", ONLINE, profile=NOT_YET,
        tvr=TVR.APPLICATION_NOT_YET_EFFECTIVE),
    Row("not yet valid, no line", "3, 10.4.3 and 10.7", ENDED, Code.OFFLINE_NOT_ALLOWED,
        profile=NOT_YET, tvr=TVR.APPLICATION_NOT_YET_EFFECTIVE, line=False),
    Row("expired, the issuer is asked", "3, 10.4.3", ONLINE, profile=OVER,
        tvr=TVR.EXPIRED_APPLICATION),
    Row("expired, no line", "3, 10.4.3 and 10.7", ENDED, Code.OFFLINE_NOT_ALLOWED,
        profile=OVER, tvr=TVR.EXPIRED_APPLICATION, line=False),
    Row("no such day", "3, 7.5", V.TERMINATED, Code.BAD_DATA,
        profile=replace(QUIET, expiry="301331")),
    Row("unknown currency: rules for amounts are passed over", "3, 10.5 and table 40", ONLINE,
        profile=DOLLARS_ONLY, tvr=TVR.CARDHOLDER_VERIFICATION_NOT_SUCCESSFUL),
    Row("no number", "3, 7.5", V.TERMINATED, Code.BAD_DATA, without(0x5A)),
    Row("no expiry date", "3, 7.5", V.TERMINATED, Code.BAD_DATA, without(0x5F24)),
    Row("no CDOL1", "3, 7.5", V.TERMINATED, Code.BAD_DATA, without(0x8C)),
    Row("no CDOL2", "3, 7.5", V.TERMINATED, Code.BAD_DATA, without(0x8D)),
    Row("no CVM list", "3, 10.5", ONLINE, profile=without(0x8E), tvr=TVR.ICC_DATA_MISSING),
    Row("number and track 2 differ", "3, 10.2", V.TERMINATED, Code.BAD_DATA,
        saying(x5A=bytes.fromhex("6216261000000000026F"))),
    Row("number with a letter in it", "3, 7.5", V.TERMINATED, Code.BAD_DATA,
        saying(x5A=bytes.fromhex("62162610000000000A8F"))),
    Row("one object twice", "3, 10.2", V.TERMINATED, Code.BAD_DATA, saying(x5F20=b"SOMEBODY")),
    Row("records that are not there", "3, 10.2", V.TERMINATED, Code.BAD_DATA,
        answers=answering(READ, lambda _: b"\x6a\x83")),
    Row("a record of another template", "3, 10.2", V.TERMINATED, Code.BAD_DATA,
        answers=answering(READ, lambda right: b"\x71" + right[1:])),
    Row("processing options without a file list", "3, 10.1", V.TERMINATED, Code.BAD_DATA,
        answers=answering(GPO, lambda _: bytes.fromhex("770482027C00") + b"\x90\x00")),
    Row("a cryptogram of no known kind", "3, 6.5.5.4", V.TERMINATED, Code.BAD_DATA,
        minor=LARGE,
        answers=answering(AC, lambda right: right.replace(ARQC, ARQC[:3] + b"\xc0"))),
    Row("the card refuses", "3, 10.8", ENDED, Code.CARD_DECLINED,
        profile=replace(QUIET, willing="decline")),
)  # fmt: skip


SAID = {
    Code.NO_APPLICATION: (
        "This card holds no application that is accepted here.",
        "此卡无本机受理的应用。", "此卡沒有本機受理的應用。"),
    Code.CARD_BLOCKED: ("The card is blocked.", "卡片已锁定。", "卡片已鎖定。"),
    Code.OFFLINE_NOT_ALLOWED: (
        "No line, and this sale may not be taken without one.",
        "通讯失败，不可脱机交易。", "通訊失敗，不可離線交易。"),
    Code.BAD_DATA: (
        "The card's data is wrong: use another card.",
        "卡片数据错误，请换卡。", "卡片資料錯誤，請換卡。"),
    Code.CARD_DECLINED: ("The card declined.", "卡片拒绝交易。", "卡片拒絕交易。"),
    Code.MUTE: (
        "The chip does not answer: check how the card is inserted, then swipe it.",
        "芯片无应答。请检查插卡方向，或改刷磁条。", "晶片無回應。請檢查插卡方向，或改刷磁條。"),
    Code.REMOVED: (
        "The card was removed too early: insert it again.",
        "卡片拔出过早，请重新插卡。", "卡片拔出過早，請重新插卡。"),
}  # fmt: skip


def ended(row: Row, sale: Callable[..., Any], run_with: Callable[..., Any]) -> Finished:
    asked: dict[str, Any] = {"minor": row.minor} | ({} if row.line else {"issuer": None})
    if row.answers is None:
        finished: Finished = sale(row.profile, card=row.card, **asked).finished
        return finished
    change = row.answers

    def changed(chip: ChipCard) -> Callable[[bytes], bytes]:
        return lambda command: change(command, chip.transmit(command))

    wrong: Finished = run_with(row.profile, changed, **asked).finished
    return wrong


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_bad_card_ends_as_the_books_say(
    sale: Callable[..., Any], run_with: Callable[..., Any], row: Row
) -> None:
    finished = ended(row, sale, run_with)
    assert (finished.verdict, finished.code) == (row.verdict, row.code), row.book
    assert finished.tvr & row.tvr == row.tvr
    assert finished.fallback is Fallback.NONE  # a chip that has spoken is never swiped


def test_the_cashier_is_told_in_a_sentence() -> None:
    assert {row.code for row in ROWS} | {Code.MUTE, Code.REMOVED} == {Code.NONE, *SAID}
    texts = [load_texts(language) for language in ("en", "zh-Hans", "zh-Hant")]
    for code, said in SAID.items():
        assert tuple(each(SENTENCES[code][0]) for each in texts) == said


def test_a_dead_or_upside_down_card_may_be_swiped() -> None:
    finished = mute_at_reset()
    assert (finished.code, finished.fallback) == (Code.MUTE, Fallback.STRIPE)


def test_a_card_with_nothing_wrong_is_no_row(
    sale: Callable[..., Any], run_with: Callable[..., Any]
) -> None:
    good = ended(Row("good", "", V.APPROVED_OFFLINE), sale, run_with)
    assert good.verdict is V.APPROVED_OFFLINE
    assert good.tvr == TVR.NONE


@pytest.mark.parametrize("pan", ["6216261000000000018", "4222222222222", "36070500001020"])
def test_long_and_odd_numbers_are_good_numbers(sale: Callable[..., Any], pan: str) -> None:
    made = sale(replace(QUIET, pan=pan, method="none"), minor=LARGE)
    assert made.finished.verdict is Verdict.APPROVED_ONLINE
    assert made.finished.card.number.reveal() == pan
