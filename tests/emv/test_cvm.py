"""CVM lists: rules and conditions by table (Book 3, annex C3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.emv.context import Context
from posfw.emv.cvm import Method, Rule, applies, method_of, rules, supported
from posfw.emv.effects import Request, Service
from posfw.emv.parameters import AidParameters, EmvParameters
from posfw.values.errors import CardDataError

UNIONPAY = bytes.fromhex("A000000333")
VISA = bytes.fromhex("A000000003")
CURRENCY = {0x9F42: bytes.fromhex("0156")}


def test_a_list_is_two_amounts_and_pairs() -> None:
    found = rules(bytes.fromhex("000003E80000271042031E06"))
    assert found == (Rule(0x42, 3, 1000, 10000), Rule(0x1E, 6, 1000, 10000))
    assert [each.go_on for each in found] == [True, False]


@pytest.mark.parametrize("wrong", ["", "00000000", "00000000000000", "000000000000000042"])
def test_a_list_of_a_wrong_length_ends_it(wrong: str) -> None:
    with pytest.raises(CardDataError):
        rules(bytes.fromhex(wrong))


@given(st.binary(max_size=252))
def test_any_list_is_read_or_refused(value: bytes) -> None:
    try:
        found = rules(value)
    except CardDataError:
        return
    assert len(found) == (len(value) - 8) // 2


@pytest.mark.parametrize(
    ("code", "rid", "method"),
    [
        (0x00, VISA, Method.FAIL),
        (0x41, VISA, Method.PLAINTEXT_PIN),
        (0x02, VISA, Method.ONLINE_PIN),
        (0x43, VISA, Method.PLAINTEXT_PIN_AND_SIGNATURE),
        (0x44, VISA, Method.ENCIPHERED_PIN),
        (0x05, VISA, Method.ENCIPHERED_PIN_AND_SIGNATURE),
        (0x5E, VISA, Method.SIGNATURE),
        (0x1F, VISA, Method.NO_CVM),
        (0x20, UNIONPAY, Method.IDENTITY),
        (0x20, VISA, None),
        (0x06, VISA, None),
        (0x3F, VISA, None),
        (0x82, VISA, None),
    ],
)
def test_codes(code: int, rid: bytes, method: Method | None) -> None:
    assert method_of(Rule(code, 0, 0, 0), rid) is method


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (0x008000, {Method.PLAINTEXT_PIN}),
        (0x004000, {Method.ONLINE_PIN}),
        (0x002000, {Method.SIGNATURE}),
        (0x00A000, {
            Method.PLAINTEXT_PIN, Method.SIGNATURE, Method.PLAINTEXT_PIN_AND_SIGNATURE
        }),
        (0x001000, {Method.ENCIPHERED_PIN}),
        (0x000800, {Method.NO_CVM}),
        (0x000000, set()),
    ],
)  # fmt: skip
def test_what_the_terminal_can_do(capabilities: int, expected: set[Method]) -> None:
    aid = AidParameters(bytes(5), 0, 0, 0)
    made = EmvParameters((aid,), capabilities=capabilities)
    assert {each for each in Method if supported(each, made)} == expected | {Method.FAIL}
    checks = EmvParameters((aid,), capabilities=capabilities, identity_check=True)
    assert supported(Method.IDENTITY, checks)


@pytest.mark.parametrize(
    ("condition", "kind", "service", "expected"),
    [
        (0x00, 0x22, Service.GOODS, True),
        (0x01, 0x22, Service.CASH, False),
        (0x01, 0x24, Service.CASH, True),
        (0x01, 0x24, Service.GOODS, False),
        (0x02, 0x22, Service.GOODS, True),
        (0x02, 0x22, Service.REFUND, True),
        (0x02, 0x22, Service.CASH, False),
        (0x02, 0x22, Service.CASHBACK, False),
        (0x04, 0x22, Service.CASH, True),
        (0x04, 0x24, Service.CASH, False),
        (0x05, 0x22, Service.CASHBACK, True),
        (0x05, 0x22, Service.GOODS, False),
        (0x0A, 0x22, Service.GOODS, False),
        (0x80, 0x22, Service.GOODS, False),
    ],
)
def test_conditions_of_service(
    make_context: Callable[..., Context],
    make_request: Callable[..., Request],
    condition: int,
    kind: int,
    service: Service,
    expected: bool,
) -> None:
    context = make_context(terminal={"terminal_type": kind}, request=make_request(service=service))
    assert applies(Rule(0x1F, condition, 0, 0), context) is expected


@pytest.mark.parametrize(
    ("condition", "amounts"),
    [
        (0x06, {999: True, 1000: False, 1001: False}),
        (0x07, {999: False, 1000: False, 1001: True}),
        (0x08, {4999: True, 5000: False}),
        (0x09, {5000: False, 5001: True}),
    ],
)
def test_conditions_of_amount(
    make_context: Callable[..., Context],
    make_request: Callable[..., Request],
    condition: int,
    amounts: dict[int, bool],
) -> None:
    for minor, expected in amounts.items():
        context = make_context(CURRENCY, request=make_request(minor))
        assert applies(Rule(0x1F, condition, 1000, 5000), context) is expected


def test_amounts_of_another_or_unknown_currency_never_apply(
    make_context: Callable[..., Context],
) -> None:
    data: dict[int, Any]
    for data in ({}, {0x9F42: bytes.fromhex("0840")}):
        assert not applies(Rule(0x1F, 0x07, 0, 0), make_context(data))


def test_condition_3_asks_whether_the_terminal_can(
    make_context: Callable[..., Context],
) -> None:
    context = make_context(terminal={"capabilities": 0x004000})
    assert applies(Rule(0x42, 3, 0, 0), context)
    assert not applies(Rule(0x41, 3, 0, 0), context)
    assert not applies(Rule(0x3F, 3, 0, 0), context)
