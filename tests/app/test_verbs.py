from __future__ import annotations

import pytest

from posfw.app.verbs import Body, Progress, dispatcher, operator_of, text_of
from posfw.values.errors import CodecError, MisuseError


async def echo(body: Body, _: Progress) -> Body:
    return {"was": dict(body)}


async def test_tables_are_joined_and_a_verb_gets_its_fields() -> None:
    handle = dispatcher({"a": echo}, {"b": echo})
    assert await handle("b", {"x": 1}, lambda _: None) == {"was": {"x": 1}}


async def test_an_unknown_verb_is_told_with_the_known_ones() -> None:
    handle = dispatcher({"sale": echo, "void": echo})
    with pytest.raises(CodecError, match="sale, void"):
        await handle("sail", {}, lambda _: None)


def test_two_parts_may_not_claim_one_verb() -> None:
    with pytest.raises(MisuseError, match="sale"):
        dispatcher({"sale": echo}, {"sale": echo})


@pytest.mark.parametrize("operator", ["", "1", "001", "ab", "１２", 7])
def test_an_operator_is_two_digits(operator: object) -> None:
    with pytest.raises(CodecError):
        operator_of({"operator": operator}, "01")


def test_a_missing_operator_is_the_default() -> None:
    assert operator_of({}, "01") == "01"


@pytest.mark.parametrize("body", [{}, {"key": 1}, {"key": None}])
def test_a_text_must_be_a_text(body: Body) -> None:
    with pytest.raises(CodecError, match="key"):
        text_of(body, "key")
