from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from posfw.app.answers import conclusion_answer, refusal_answer
from posfw.app.control import error_body
from posfw.sale.limits import Refusal
from posfw.values.errors import JournalUnsafeError
from posfw.values.identity import Key
from posfw.values.outcome import Answer
from posfw.values.texts import LANGUAGES, Texts
from posfw.values.transaction import Conclusion, Ending, Kind
from tests.app.fakes import NOW
from tests.app.till import KEYED, till

KEY = Key("12345678", 1, 7)
WORDS = {"success": "成功", "failed": "失败", "unknown": "未知-勿重刷"}
_ANY = re.compile("成功|失败|未知-勿重刷")


def told(answer: Mapping[str, Any]) -> str:
    """The one word of an answer; it must be what `ending` says."""
    (word,) = set(_ANY.findall(answer["lines"][0]))
    assert WORDS[answer["ending"]] == word
    assert answer["ok"] is (answer["ending"] == "success")
    return str(answer["ending"])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    ("ending", "answer", "expected"),
    [
        (Ending.APPROVED, Answer("00"), "success"),
        (Ending.APPROVED_OFFLINE, None, "success"),
        (Ending.DECLINED, Answer("51"), "failed"),
        (Ending.DECLINED, Answer("17"), "failed"),
        (Ending.DECLINED, Answer("ZZ"), "failed"),
        (Ending.CANCELLED, None, "failed"),
        (Ending.UNKNOWN, None, "unknown"),
    ],
)
def test_every_ending_is_exactly_one_of_three(
    ending: Ending, answer: Answer | None, expected: str, kind: Kind, language: str
) -> None:
    conclusion = Conclusion(KEY, ending, NOW, answer, reason="the line is down")
    assert told(conclusion_answer(conclusion, Texts(language), kind)) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_is_a_failure_with_cause_and_next_step(language: str) -> None:
    refusal = Refusal("SAL-201", "The amount is zero.", "Enter an amount.")
    answer = refusal_answer(refusal, Texts(language))
    assert told(answer) == "failed"
    assert answer["lines"][-1] == "(SAL-201)"
    assert len(answer["lines"]) == 4


@pytest.mark.parametrize("fails", ["conclude", "begin"])
async def test_a_journal_that_fails_in_the_middle_leaves_doubt_and_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    async with till(tmp_path) as shop:

        async def broken(*_: object) -> None:
            raise JournalUnsafeError("The disk is full.")

        monkeypatch.setattr(type(shop.journal), fails, broken)
        with pytest.raises(JournalUnsafeError) as fault:
            await shop.do(shop.cashier, "sale", amount="10.00", **KEYED)
        body = error_body(fault.value, Texts("en"))
        if fails == "begin":  # nothing has left
            assert "ending" not in body
            assert shop.bank.postings == {}
            return
        assert (body["ending"], body["key"]) == ("unknown", "12345678-000001-000001")
        assert "未知-勿重刷" in body["effect"]
        monkeypatch.undo()
        assert await shop.cashier.sales.recover() == 1
        assert await shop.deliver() == ["00"]
        assert shop.bank.records("12345678", 1) == []
