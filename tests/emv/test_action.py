"""Terminal action analysis by table (Book 3, 10.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from posfw.emv.action import first_request, offline_request
from posfw.emv.bits import TVR, CryptogramType
from posfw.emv.context import Context
from posfw.emv.parameters import AidParameters

AAC, TC, ARQC = CryptogramType.AAC, CryptogramType.TC, CryptogramType.ARQC
BIT = TVR.EXPIRED_APPLICATION
SET, CLEAR = bytes.fromhex("0040000000"), bytes(5)
RID = bytes.fromhex("A000000333")


def context_for(
    make_context: Callable[..., Context],
    terminal: tuple[int, int, int],
    issuer: tuple[bytes | None, bytes | None, bytes | None],
    kind: int,
) -> Context:
    tags = (0x9F0E, 0x9F0F, 0x9F0D)
    data: dict[int, Any] = {
        tag: value for tag, value in zip(tags, issuer, strict=True) if value is not None
    }
    aid = AidParameters(RID, *terminal)
    return make_context(data, aid=aid, terminal={"terminal_type": kind}).mark(BIT)


@pytest.mark.parametrize(
    ("terminal", "issuer", "kind", "first", "offline"),
    [
        ((0, 0, 0), (CLEAR, CLEAR, CLEAR), 0x22, TC, TC),
        ((int(BIT), 0, 0), (CLEAR, CLEAR, CLEAR), 0x22, AAC, TC),
        ((0, 0, 0), (SET, CLEAR, CLEAR), 0x22, AAC, TC),
        ((0, int(BIT), 0), (CLEAR, CLEAR, CLEAR), 0x22, ARQC, TC),
        ((0, 0, 0), (CLEAR, SET, CLEAR), 0x22, ARQC, TC),
        ((0, 0, int(BIT)), (CLEAR, CLEAR, CLEAR), 0x22, TC, AAC),
        ((0, 0, 0), (CLEAR, CLEAR, SET), 0x22, TC, AAC),
        ((0, 0, 0), (None, None, None), 0x22, ARQC, AAC),  # no issuer codes
        ((0, 0, 0), (CLEAR, CLEAR, CLEAR), 0x21, ARQC, AAC),  # online only
        ((int(BIT), 0, 0), (CLEAR, CLEAR, CLEAR), 0x21, AAC, AAC),
        ((0, int(BIT), 0), (CLEAR, SET, CLEAR), 0x23, TC, TC),  # offline only
        ((0, 0, int(BIT)), (CLEAR, CLEAR, CLEAR), 0x23, AAC, AAC),
    ],
)
def test_codes_decide(
    make_context: Callable[..., Context],
    terminal: tuple[int, int, int],
    issuer: tuple[bytes | None, bytes | None, bytes | None],
    kind: int,
    first: int,
    offline: int,
) -> None:
    context = context_for(make_context, terminal, issuer, kind)
    assert (first_request(context), offline_request(context)) == (first, offline)


@pytest.mark.parametrize("bit", [each for each in TVR if each])
def test_every_bit_of_the_tvr_can_deny(make_context: Callable[..., Context], bit: TVR) -> None:
    aid = AidParameters(RID, int(bit), 0, 0)
    codes = dict.fromkeys((0x9F0E, 0x9F0F, 0x9F0D), CLEAR)
    assert first_request(make_context(codes, aid=aid).mark(bit)) == AAC
    assert first_request(make_context(codes, aid=aid)) == TC
