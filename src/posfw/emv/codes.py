"""Stable codes of how a chip transaction ended without an approval, and what people are told.

A code never changes its meaning. English is the key of the catalogues.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["SENTENCES", "Code"]


class Code(StrEnum):
    """Why a chip transaction did not end in an approval; NONE when it did."""

    NONE = ""
    MUTE = "CRD-401"  # no ATR, or no answer at all: the only way to a fall-back
    REMOVED = "CRD-402"  # the card left before its last word
    CARD_BLOCKED = "CRD-403"  # SELECT answered 6A81
    NO_APPLICATION = "CRD-404"  # nothing that card and terminal both know
    APPLICATION_BLOCKED = "CRD-405"  # all they both know is blocked (6283)
    BAD_DATA = "CRD-406"  # missing, malformed or contradicting data: the Books end it
    TERMINAL_DECLINED = "CRD-407"  # the terminal's or issuer's action codes
    CARD_DECLINED = "CRD-408"  # AAC where something else was asked for
    ISSUER_DECLINED = "CRD-409"
    OFFLINE_NOT_ALLOWED = "CRD-410"  # no line, and the rules ask for one
    CANCELLED = "CRD-411"  # by cardholder or cashier
    CARD_OVERRULED = "CRD-412"  # the issuer approved, the card did not: reversed
    ENDLESS = "CRD-413"  # more commands than any card needs
    SIGNATURE_FAILED = "CRD-414"  # the card's signature over its cryptogram does not verify
    ISSUER_DATA = "CRD-415"  # the issuer's chip data in the answer cannot be read


SENTENCES: Final[dict[Code, tuple[str, str, str]]] = {
    Code.MUTE: (
        "The chip does not answer: check how the card is inserted, then swipe it.",
        "芯片无应答,请检查插卡方向,或改刷磁条",
        "晶片無應答,請檢查插卡方向,或改刷磁條",
    ),
    Code.REMOVED: (
        "The card was removed too early: insert it again.",
        "卡片拔出过早,请重新插卡",
        "卡片拔出過早,請重新插卡",
    ),
    Code.CARD_BLOCKED: ("The card is blocked.", "卡片已锁定", "卡片已鎖定"),
    Code.NO_APPLICATION: (
        "This card holds no application that is accepted here.",
        "此卡无本机受理的应用",
        "此卡無本機受理的應用",
    ),
    Code.APPLICATION_BLOCKED: (
        "The card's application is blocked.",
        "卡片应用已锁定",
        "卡片應用已鎖定",
    ),
    Code.BAD_DATA: (
        "The card's data is wrong: use another card.",
        "卡片数据错误,请换卡",
        "卡片資料錯誤,請換卡",
    ),
    Code.TERMINAL_DECLINED: ("Declined.", "交易拒绝", "交易拒絕"),
    Code.CARD_DECLINED: ("The card declined.", "卡片拒绝交易", "卡片拒絕交易"),
    Code.ISSUER_DECLINED: ("The issuer declined.", "发卡行拒绝交易", "發卡行拒絕交易"),
    Code.OFFLINE_NOT_ALLOWED: (
        "No line, and this sale may not be taken without one.",
        "通讯失败,不可脱机交易",
        "通訊失敗,不可離線交易",
    ),
    Code.CANCELLED: ("Cancelled.", "交易已取消", "交易已取消"),
    Code.CARD_OVERRULED: (
        "The card refused after the issuer approved: the sale is reversed.",
        "发卡行已批准但卡片拒绝,交易将冲正",
        "發卡行已批准但卡片拒絕,交易將沖正",
    ),
    Code.ENDLESS: (
        "The card does not come to an end: use another card.",
        "卡片响应异常,请换卡",
        "卡片回應異常,請換卡",
    ),
    Code.SIGNATURE_FAILED: (
        "The card could not prove that it is genuine.",
        "卡片认证失败",
        "卡片認證失敗",
    ),
    Code.ISSUER_DATA: (
        "The answer's chip data cannot be read: the sale is reversed.",
        "应答中的芯片数据无法解析,交易将冲正",
        "應答中的晶片資料無法解析,交易將沖正",
    ),
}
