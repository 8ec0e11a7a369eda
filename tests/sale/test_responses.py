from __future__ import annotations

import pytest

from posfw.sale.responses import _TABLE, Advice, explain


@pytest.mark.parametrize("code", [*_TABLE, "ZZ"])
def test_every_code_has_words_for_both_people_in_both_languages(code: str) -> None:
    response = explain(code)
    for chinese in (response.cashier_zh, response.cardholder_zh):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert response.cashier_en.isascii()
    assert response.cardholder_en.isascii()


def test_only_approval_asks_nothing_of_the_cashier() -> None:
    assert [code for code in _TABLE if explain(code).advice is Advice.NOTHING] == ["00"]


def test_a_lost_or_stolen_card_is_not_told_to_the_cardholder() -> None:
    for code in ("41", "43"):
        response = explain(code)
        assert response.advice is Advice.KEEP
        assert "lost" not in response.cardholder_en.lower()
        assert "stolen" not in response.cardholder_en.lower()
