"""Version, usage control and dates by table (Book 3, 10.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from posfw.emv.bits import TVR
from posfw.emv.context import Context
from posfw.emv.effects import Request, Service
from posfw.emv.restrictions import restrictions
from posfw.values.errors import CardDataError

HOME, ABROAD = bytes.fromhex("0156"), bytes.fromhex("0840")
EXPIRY = {0x5F24: bytes.fromhex("301231")}


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (None, TVR.NONE),
        ("008C", TVR.NONE),
        ("0096", TVR.DIFFERENT_APPLICATION_VERSIONS),
    ],
)
def test_versions(
    make_context: Callable[..., Context], version: str | None, expected: TVR
) -> None:
    data = EXPIRY | ({0x9F08: bytes.fromhex(version)} if version else {})
    assert restrictions(make_context(data)) == expected


@pytest.mark.parametrize(
    ("usage", "country", "service", "allowed"),
    [
        ("FF00", HOME, Service.GOODS, True),
        ("2100", HOME, Service.GOODS, True),
        ("0900", HOME, Service.GOODS, True),  # services
        ("1500", HOME, Service.GOODS, False),  # abroad only
        ("1100", ABROAD, Service.GOODS, True),
        ("2900", ABROAD, Service.GOODS, False),
        ("FE00", HOME, Service.GOODS, False),  # ATMs only
        ("8100", HOME, Service.CASH, True),
        ("8100", ABROAD, Service.CASH, False),
        ("4100", ABROAD, Service.CASH, True),
        ("FF80", HOME, Service.CASHBACK, True),
        ("FF80", ABROAD, Service.CASHBACK, False),
        ("FF40", ABROAD, Service.CASHBACK, True),
        ("0100", HOME, Service.REFUND, True),  # not restricted by usage control
        ("0100", None, Service.GOODS, True),  # no issuer country: only the ATM bit counts
    ],
)
def test_usage_control(
    make_context: Callable[..., Context],
    make_request: Callable[..., Request],
    usage: str,
    country: bytes | None,
    service: Service,
    allowed: bool,
) -> None:
    data = EXPIRY | {0x9F07: bytes.fromhex(usage)} | ({0x5F28: country} if country else {})
    context = make_context(data, request=make_request(service=service))
    assert restrictions(context) == (TVR.NONE if allowed else TVR.SERVICE_NOT_ALLOWED)


@pytest.mark.parametrize(
    ("effective", "expires", "expected"),
    [
        ("200101", "301231", TVR.NONE),
        ("261124", "261124", TVR.NONE),  # the days themselves count
        ("261125", "301231", TVR.APPLICATION_NOT_YET_EFFECTIVE),
        ("200101", "261123", TVR.EXPIRED_APPLICATION),
        ("", "261123", TVR.EXPIRED_APPLICATION),
        ("", "991231", TVR.EXPIRED_APPLICATION),  # 1999
    ],
)
def test_dates(
    make_context: Callable[..., Context], effective: str, expires: str, expected: TVR
) -> None:
    data: dict[int, Any] = {0x5F24: bytes.fromhex(expires)}
    if effective:
        data[0x5F25] = bytes.fromhex(effective)
    assert restrictions(make_context(data)) == expected


def test_a_date_that_does_not_exist_ends_it(make_context: Callable[..., Context]) -> None:
    with pytest.raises(CardDataError):
        restrictions(make_context(EXPIRY | {0x5F25: bytes.fromhex("261301")}))
