"""Response codes (ISO 8583 DE39, UnionPay) in words for cashier and cardholder, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["Advice", "Response", "explain"]


class Advice(Enum):
    """What the cashier does next."""

    NOTHING = "done"
    RETRY = "try once more"
    OTHER_CARD = "ask for another card"
    CALL = "call the acquirer"
    KEEP = "keep the card if this is safe and call the acquirer"


@dataclass(frozen=True, slots=True)
class Response:
    """One code in words."""

    code: str
    cashier_zh: str
    cashier_en: str
    cardholder_zh: str
    cardholder_en: str
    advice: Advice


_ASK_ISSUER = ("请联系发卡行", "Please contact your bank")
_TRY_LATER = ("请稍后再试", "Please try again later")
_OTHER = ("请换卡支付", "Please use another card")
_OK = ("交易成功", "Approved")

# Code: cashier zh, cashier en, cardholder zh and en, advice.
_TABLE: Final[dict[str, tuple[str, str, tuple[str, str], Advice]]] = {
    "00": ("交易成功", "Approved", _OK, Advice.NOTHING),
    "01": ("请持卡人与发卡行联系", "Refer to card issuer", _ASK_ISSUER, Advice.OTHER_CARD),
    "03": ("无效商户", "Invalid merchant", _OTHER, Advice.CALL),
    "04": ("此卡被没收", "Pick up card", _ASK_ISSUER, Advice.KEEP),
    "05": ("持卡人认证失败", "Do not honour", _ASK_ISSUER, Advice.OTHER_CARD),
    "09": ("等待付款", "Waiting for the payer", _TRY_LATER, Advice.RETRY),
    "12": ("无效交易", "Invalid transaction", _OTHER, Advice.CALL),
    "13": ("无效金额", "Invalid amount", _TRY_LATER, Advice.RETRY),
    "14": ("无效卡号", "Invalid card number", _OTHER, Advice.OTHER_CARD),
    "17": ("交易已关闭,未付款", "Closed, not paid", _TRY_LATER, Advice.RETRY),
    "25": ("找不到原交易", "Original not found", _TRY_LATER, Advice.CALL),
    "30": ("报文格式错误", "Format error", _TRY_LATER, Advice.CALL),
    "33": ("过期的卡", "Expired card, keep", _ASK_ISSUER, Advice.KEEP),
    "36": ("受限制的卡", "Restricted card, keep", _ASK_ISSUER, Advice.KEEP),
    "38": ("密码错误次数超限", "PIN tries exceeded, keep", _ASK_ISSUER, Advice.KEEP),
    "40": ("不支持的功能", "Function not supported", _OTHER, Advice.CALL),
    "41": ("挂失卡", "Lost card", _ASK_ISSUER, Advice.KEEP),
    "43": ("被窃卡", "Stolen card", _ASK_ISSUER, Advice.KEEP),
    "51": (
        "可用余额不足",
        "Insufficient funds",
        ("余额不足", "Insufficient funds"),
        Advice.OTHER_CARD,
    ),
    "54": ("过期的卡", "Expired card", _OTHER, Advice.OTHER_CARD),
    "55": ("密码错", "Wrong PIN", ("密码错误", "Wrong PIN"), Advice.RETRY),
    "57": ("不允许此卡交易", "Not permitted to cardholder", _OTHER, Advice.OTHER_CARD),
    "58": ("终端不允许此交易", "Not permitted to terminal", _OTHER, Advice.CALL),
    "61": ("超出金额限制", "Amount limit exceeded", _OTHER, Advice.OTHER_CARD),
    "62": ("受限制的卡", "Restricted card", _OTHER, Advice.OTHER_CARD),
    "65": ("超出取款次数限制", "Count limit exceeded", _OTHER, Advice.OTHER_CARD),
    "68": ("交易超时", "Answer too late", _TRY_LATER, Advice.RETRY),
    "75": ("密码错误次数超限", "PIN tries exceeded", _ASK_ISSUER, Advice.OTHER_CARD),
    "90": ("系统日切,请稍后重试", "Cut-over under way", _TRY_LATER, Advice.RETRY),
    "91": ("发卡行状态不正常", "Issuer unavailable", _TRY_LATER, Advice.RETRY),
    "92": ("线路不正常", "Route unavailable", _TRY_LATER, Advice.RETRY),
    "94": ("重复交易", "Duplicate", _TRY_LATER, Advice.CALL),
    "96": ("系统异常", "System malfunction", _TRY_LATER, Advice.RETRY),
    "97": ("终端未登记", "Terminal not registered", _OTHER, Advice.CALL),
    "98": ("发卡行超时", "Issuer did not answer", _TRY_LATER, Advice.RETRY),
    "99": ("PIN格式错", "PIN format error", _TRY_LATER, Advice.CALL),
    "A0": ("MAC校验错", "Message did not verify", _TRY_LATER, Advice.CALL),
}
_DEFAULT = ("交易失败", "Declined", _ASK_ISSUER, Advice.CALL)


def explain(code: str) -> Response:
    """Return a code in words; an unknown one is a decline with advice to call."""
    cashier_zh, cashier_en, (holder_zh, holder_en), advice = _TABLE.get(code, _DEFAULT)
    return Response(code, cashier_zh, cashier_en, holder_zh, holder_en, advice)
