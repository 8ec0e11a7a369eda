from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.settle.slips import Settled, parameter_slip, report_slip, settlement_slip
from posfw.settle.totals import Difference, totals
from posfw.values.card import EntryMode
from posfw.values.document import Amount, Block, Columns, Cut, Document, Field, Mark, Text, Title
from posfw.values.identity import Key
from posfw.values.money import USD, Money
from posfw.values.printjob import Copy, DocumentKind
from posfw.values.slip import Merchant
from posfw.values.texts import LANGUAGES, Texts
from posfw.values.transaction import Begun, Intent, Kind, State, Transaction

NOW = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)
MERCHANT = Merchant("好日子便利店", "898310154110001", "12345678", "银联商务")
HANS = Texts("zh-Hans")
SETTLED = Settled(7, NOW, NOW, balanced=True, head="A1B2C3D4")


def made(
    stan: int,
    minor: int,
    kind: Kind = Kind.SALE,
    state: State = State.APPROVED,
    operator: str = "01",
) -> Transaction:
    intent = Intent(
        kind=kind,
        amount=Money(minor),
        entry_mode=EntryMode.SWIPED,
        card_masked="621234******1232",
        card_token=b"",
        operator=operator,
        at=NOW,
    )
    return Transaction(Begun(Key("12345678", 7, stan), stan, intent), state)


BATCH = [
    made(1, 100_000),
    made(2, 2_500),
    made(3, 500, Kind.REFUND),
    made(4, 900, state=State.DECLINED),
    replace(made(5, 800, Kind.OFFLINE_SALE), offline=True, acknowledged=False),
]


def lines(document: Document) -> list[str]:
    return [_line(block) for block in document.blocks]


def _line(block: Block) -> str:
    match block:
        case Title(text) | Mark(text) | Text(text):
            return text
        case Field(label, value) | Amount(label, value):
            return f"{label}: {value}"
        case Columns(cells, _):
            return " | ".join(cells)
    return type(block).__name__


def test_a_settlement_slip_has_heads_totals_by_kind_net_and_the_journal_code() -> None:
    slip = settlement_slip(SETTLED, BATCH, MERCHANT, HANS)
    said = lines(slip)
    assert slip.ref.kind is DocumentKind.SETTLEMENT
    assert slip.ref.subject == "7"
    assert slip.copy is Copy.SINGLE
    for line in (
        "结算单",
        "SETTLEMENT",
        "商户名称/MERCHANT: 好日子便利店",
        "商户编号/MERCHANT NO.: 898310154110001",
        "终端编号/TERMINAL NO.: 12345678",
        "收单行/ACQUIRER: 银联商务",
        "批次号/BATCH NO.: 000007",
        "结束/TO: 2026/03/02 21:30:00",
        "对账平/BALANCED",
        "消费/SALE | 2 | 1,025.00",
        "退货/REFUND | 1 | -5.00",
        "离线结算/OFFLINE SALE | 1 | 8.00",
        "借记/DEBIT | 3 | 1,033.00",
        "贷记/CREDIT | 1 | -5.00",
        "净额/NET: RMB 1,028.00",
        "账本校验码/JOURNAL CODE: A1B2C3D4",
    ):
        assert line in said
    assert said[-1] == "Cut"


def test_what_is_not_yet_sent_refused_or_different_is_listed() -> None:
    settled = replace(
        SETTLED,
        balanced=False,
        differences=(Difference(2, 2_500, 2_000), Difference(9, None, -700)),
        rejected=((3, "94"),),
    )
    said = lines(settlement_slip(settled, BATCH, MERCHANT, HANS, duplicate=True))
    assert "重打印/DUPLICATE" in said
    assert "对账不平/NOT BALANCED" in said
    assert said[said.index("差异明细") :][:4] == [
        "差异明细",
        "DIFFERENCES",
        "000002 | 25.00 | 20.00",
        "000009 | - | -7.00",
    ]
    assert said[said.index("未成功上送交易明细") + 2] == "000005 | 1232 | 8.00"
    assert said[said.index("上送后被平台拒绝交易明细") + 2] == "000003 | 94"


def test_lists_without_entries_are_left_out() -> None:
    said = lines(settlement_slip(SETTLED, BATCH[:3], MERCHANT, HANS))
    assert not {"差异明细", "未成功上送交易明细", "上送后被平台拒绝交易明细"} & set(said)


def test_an_empty_batch_settles_to_nothing() -> None:
    said = lines(settlement_slip(replace(SETTLED, head=""), [], MERCHANT, HANS))
    assert "借记/DEBIT | 0 | 0.00" in said
    assert "贷记/CREDIT | 0 | 0.00" in said
    assert "净额/NET: RMB 0.00" in said
    assert not any("JOURNAL CODE" in line for line in said)


def test_more_given_back_than_taken_is_a_negative_net() -> None:
    said = lines(settlement_slip(SETTLED, [made(1, 500, Kind.REFUND)], MERCHANT, HANS))
    assert "净额/NET: RMB -5.00" in said


def test_another_currency_is_named() -> None:
    transaction = made(1, 500)
    intent = replace(transaction.begun.intent, amount=Money(500, USD))
    foreign = replace(transaction, begun=replace(transaction.begun, intent=intent))
    said = lines(settlement_slip(SETTLED, [foreign], MERCHANT, HANS))
    assert "净额/NET: USD 5.00" in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("letter", ["X", "Z"])
def test_reports_look_and_close_in_every_language(letter: str, language: str) -> None:
    slip = report_slip(
        letter, 7, BATCH, MERCHANT, Texts(language), opened_at=NOW, at=NOW, head="A1B2C3D4"
    )
    said = lines(slip)
    assert slip.ref.kind is DocumentKind.REPORT
    assert slip.ref.subject == f"{letter}7"
    assert any(f"{letter} REPORT" in line for line in said[:2])
    assert any("JOURNAL CODE" in line for line in said)
    assert isinstance(slip.blocks[-1], Cut)


def test_a_report_tells_operators_apart_and_names_what_is_in_doubt() -> None:
    batch = [
        *BATCH[:2],
        made(6, 700, operator="02"),
        made(7, 100, Kind.REFUND, operator="02"),
        made(8, 4_200, state=State.BEGUN),
    ]
    said = lines(report_slip("X", 7, batch, MERCHANT, HANS, opened_at=None, at=NOW))
    assert "01 | 2 | 1,025.00" in said
    assert "02 | 2 | 6.00" in said
    assert said[said.index("结果未知") + 2] == "000008 | 1232 | 42.00"
    alone = lines(report_slip("X", 7, BATCH, MERCHANT, HANS, opened_at=None, at=NOW))
    assert "操作员号/OPERATOR" not in alone


def test_each_currency_has_its_own_rows_and_net() -> None:
    dollars = made(9, 500)
    intent = replace(dollars.begun.intent, amount=Money(500, USD))
    mixed = [*BATCH, replace(dollars, begun=replace(dollars.begun, intent=intent))]
    said = lines(report_slip("X", 7, mixed, MERCHANT, HANS, opened_at=None, at=NOW))
    alone = lines(report_slip("X", 7, BATCH, MERCHANT, HANS, opened_at=None, at=NOW))
    first, second = said.index("币种/CURRENCY: CNY"), said.index("币种/CURRENCY: USD")
    rows = [line for line in alone if line.startswith("消费/SALE")]
    assert rows
    assert all(row in said[first:second] for row in rows)
    assert "消费/SALE | 1 | 5.00" in said[second:]


def test_parameters_are_printed_as_they_are_told() -> None:
    said = lines(parameter_slip({"结算时间": "21:30"}, MERCHANT, HANS, at=NOW))
    assert "参数单" in said
    assert "结算时间: 21:30" in said


def cents(text: str) -> int:
    return int(text.replace(",", "").replace(".", ""))


@given(
    st.lists(
        st.builds(
            made,
            st.integers(1, 999),
            st.integers(0, 99_999_999),
            st.sampled_from(list(Kind)),
            st.sampled_from(list(State)),
            st.sampled_from(["01", "02", "03"]),
        ),
        max_size=30,
    )
)
def test_printed_rows_add_up_to_the_totals(batch: list[Transaction]) -> None:
    ours = totals(batch)
    for slip in (
        settlement_slip(SETTLED, batch, MERCHANT, HANS),
        report_slip("Z", 7, batch, MERCHANT, HANS, opened_at=None, at=NOW),
    ):
        blocks = list(slip.blocks)
        start = next(n for n, b in enumerate(blocks) if isinstance(b, Columns)) + 2
        net_at = next(n for n, b in enumerate(blocks) if isinstance(b, Amount))
        rows = [b.cells for b in blocks[start:net_at] if isinstance(b, Columns)]
        kinds, debit, credit = rows[:-2], rows[-2], rows[-1]
        net = blocks[net_at]
        assert isinstance(net, Amount)
        assert (int(debit[1]), cents(debit[2])) == (ours.debit_count, ours.debit_minor)
        assert (int(credit[1]), -cents(credit[2])) == (ours.credit_count, ours.credit_minor)
        assert sum(cents(row[2]) for row in kinds) == ours.debit_minor - ours.credit_minor
        assert sum(int(row[1]) for row in kinds) == ours.debit_count + ours.credit_count
        assert cents(net.value.partition(" ")[2]) == ours.debit_minor - ours.credit_minor
