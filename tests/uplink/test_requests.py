from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from posfw.uplink import requests
from posfw.uplink.messages import Field, InquiryState, Message, MessageType
from posfw.values.card import EntryMode
from posfw.values.errors import MisuseError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.outcome import Approved, Declined, NotFound, Outcome, Unknown, Waiting
from posfw.values.transaction import Begun, Instalment, Intent, Kind, Owed, OwedKind

MERCHANT = "898310058120001"
KEY = Key("T0000001", 3, 7)
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
INTENT = Intent(Kind.SALE, Money(1250), EntryMode.SWIPED, "625094******8599", bytes(16), "01", AT)


def answer(fields: dict[Field, object]) -> Message:
    return Message(MessageType.INQUIRY, "T0000001", MERCHANT, 3, 7, fields)  # type: ignore[arg-type]  # plain values


def test_a_payer_who_has_not_decided_is_neither_approved_nor_declined() -> None:
    told = {Field.RESPONSE_CODE: "09", Field.PAY_CODE: "https://pay.example/1", Field.VALID_S: 60}
    assert requests.outcome_of(answer(dict(told))) == Waiting("https://pay.example/1", 60)
    assert requests.outcome_of(answer({Field.RESPONSE_CODE: "09"})) == Waiting()
    assert isinstance(requests.outcome_of(answer({Field.RESPONSE_CODE: "00"})), Approved)
    assert isinstance(requests.outcome_of(answer({Field.RESPONSE_CODE: "08"})), Declined)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (InquiryState.NOT_FOUND, NotFound),
        (InquiryState.APPROVED, Approved),
        (InquiryState.DECLINED, Declined),
        (InquiryState.REVERSED, Declined),
        (InquiryState.WAITING, Waiting),
        (None, Unknown),
    ],
)
def test_only_the_state_decides_an_inquiry(
    state: InquiryState | None, outcome: type[Outcome]
) -> None:
    fields: dict[Field, object] = {Field.RESPONSE_CODE: "00"}
    if state is not None:
        fields[Field.INQUIRY_STATE] = int(state)
    assert isinstance(requests.inquired(answer(fields)), outcome)


def test_a_close_is_an_inquiry_that_says_so() -> None:
    assert requests.inquiry(KEY, MERCHANT).fields == {}
    closing = requests.inquiry(KEY, MERCHANT, close=True)
    assert (closing.type, closing.fields) == (MessageType.INQUIRY, {Field.CLOSE: True})


def test_instalments_telephone_codes_and_originals_travel_with_their_intent() -> None:
    plan = replace(INTENT, kind=Kind.INSTALMENT, instalment=Instalment("YH03", 3, 1_080))
    asked = requests.authorise(Begun(KEY, 9, plan), MERCHANT, None, b"")
    assert asked.fields[Field.INSTALMENT] == ["YH03", 3, 1_080]
    called = replace(INTENT, kind=Kind.OFFLINE_SALE, auth_code="A1B2C3")
    told = requests.of_owed(Owed(1, OwedKind.ADVICE, KEY), MERCHANT, called, repeat=False)
    assert told.fields[Field.AUTH_CODE] == "A1B2C3"
    tip = replace(INTENT, kind=Kind.TIP, original=Key("T0000001", 3, 5))
    told = requests.of_owed(Owed(1, OwedKind.ADVICE, KEY), MERCHANT, tip, repeat=True)
    assert told.fields[Field.ORIGINAL] == ["T0000001", 3, 5]
    assert Field.CARD not in told.fields
    assert told.fields[Field.REPEAT] is True
    plain = requests.authorise(Begun(KEY, 9, INTENT), MERCHANT, None, b"")
    assert not {Field.INSTALMENT, Field.AUTH_CODE, Field.ORIGINAL} & plain.fields.keys()


@pytest.mark.parametrize("terms", [["YH03", 1, 0], ["", 3, 0], ["YH0345678", 3, 0], ["A", 3]])
def test_instalments_of_another_shape_do_not_leave(terms: list[object]) -> None:
    asked = Message(
        MessageType.AUTHORISE,
        "T0000001",
        MERCHANT,
        3,
        7,
        {Field.INSTALMENT: terms},  # type: ignore[dict-item]  # what must be refused
    )
    with pytest.raises(MisuseError):
        asked.encode()
