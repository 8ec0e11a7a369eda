"""How an ending is told: always exactly one of 成功 / 失败 / 未知-勿重刷, in two languages."""

from __future__ import annotations

from typing import Any

from posfw.sale.limits import Refusal
from posfw.sale.responses import explain
from posfw.values.money import Money
from posfw.values.texts import Texts
from posfw.values.transaction import Conclusion, Ending, Kind

__all__ = ["conclusion_answer", "refusal_answer"]

_TOLD = {
    Ending.APPROVED: ("success", "成功", "Approved"),
    Ending.APPROVED_OFFLINE: ("success", "成功 (脱机)", "Approved offline"),
    Ending.DECLINED: ("failed", "失败", "Declined"),
    Ending.CANCELLED: ("failed", "失败", "Not carried out"),
    Ending.UNKNOWN: ("unknown", "未知-勿重刷", "Unknown: do not swipe again, it is reversed"),
}
# Nobody was asked: the authorisation was given before.
_ADVISED = ("成功 (通知)", "Recorded; the acquirer is told")


def conclusion_answer(
    ending: Conclusion | Refusal, texts: Texts, kind: Kind | None = None
) -> dict[str, Any]:
    """Return the result of a transaction as the control socket and `--json` show it."""
    if isinstance(ending, Refusal):
        return refusal_answer(ending, texts)
    told, chinese, english = _TOLD[ending.ending]
    if told == "success" and kind is not None and kind.is_advice:
        chinese, english = _ADVISED
    answer: dict[str, Any] = {
        "ok": told == "success",
        "ending": told,
        "kind": ending.ending.value,
        "key": str(ending.key),
        "auth_code": ending.answer.auth_code if ending.answer else "",
        "reference": ending.answer.reference if ending.answer else "",
        "response_code": ending.answer.response_code if ending.answer else "",
        "reason": ending.reason,
        "lines": [f"{chinese} / {english}", str(ending.key)],
    }
    if ending.answer is not None and ending.answer.balance_minor is not None:
        answer["balance_minor"] = ending.answer.balance_minor
        answer["lines"].append(f"余额 / Balance  {Money(ending.answer.balance_minor)}")
    if ending.ending is Ending.DECLINED and ending.answer is not None:
        response = explain(ending.answer.response_code)
        answer["cashier"] = {"zh": response.cashier_zh, "en": response.cashier_en}
        answer["cardholder"] = {"zh": response.cardholder_zh, "en": response.cardholder_en}
        answer["lines"] += [
            f"{response.code} {response.cashier_zh} / {response.cashier_en}",
            f"{response.cardholder_zh} / {response.cardholder_en}",
        ]
    elif ending.reason:
        # Each part is a sentence or a code; the journal keeps them in English.
        answer["lines"].append("; ".join(texts(part) for part in ending.reason.split("; ")))
    return answer


def refusal_answer(refusal: Any, texts: Texts) -> dict[str, Any]:
    """Return a refusal (of the limits or of the card rules): nothing was begun."""
    return {
        "ok": False,
        "ending": "failed",
        "kind": "refused",
        "code": refusal.code,
        "lines": [
            "失败 / Not carried out",
            texts(refusal.cause),
            texts(refusal.next_step),
            f"({refusal.code})",
        ],
    }
