"""The stable codes of reads that gave no card; a code never changes its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "BAD_SCAN",
    "BAD_TRACK",
    "CANCELLED",
    "CARD_REFUSED",
    "CHIP_FIRST",
    "CHIP_MUTE",
    "ENCRYPTED",
    "EXPIRED",
    "HALF_LINE",
    "LEFT_IN",
    "MISMATCH",
    "NOISE",
    "NO_CARD",
    "NO_FALLBACK",
    "NO_PIN_PAD",
    "OTHER_WAY",
    "READER_GONE",
    "READER_REFUSED",
    "READER_SILENT",
    "SENTENCES",
    "SEVERAL_CARDS",
    "TRY_AGAIN",
    "UNUSABLE",
]

NO_CARD: Final = "CRD-001"  # nothing came in time
CANCELLED: Final = "CRD-002"  # the sale was cancelled before a card was read
BAD_TRACK: Final = "CRD-301"  # the head saw a card, track 2 did not decode: swipe again
NOISE: Final = "CRD-302"  # a line that is no swipe, or longer than any swipe
HALF_LINE: Final = "CRD-303"  # a line began and did not end in time
UNUSABLE: Final = "CRD-304"  # a swipe whose content is not ISO/IEC 7813
EXPIRED: Final = "CRD-305"
CHIP_FIRST: Final = "CRD-306"  # the card has a chip that was not tried
NO_FALLBACK: Final = "CRD-307"  # the chip answered and refused: no swipe after that
READER_GONE: Final = "CRD-308"  # the port is lost or cannot be opened; reopened by itself
READER_SILENT: Final = "CRD-309"  # the port is open, the reader does not answer
READER_REFUSED: Final = "CRD-310"  # the reader does not do what was asked: see its set-up
ENCRYPTED: Final = "CRD-311"  # the reader encrypts under a key this terminal has no part in
TRY_AGAIN: Final = "CRD-312"  # the card was taken away too early, or talking to it failed
CARD_REFUSED: Final = "CRD-313"  # the card or the reader's kernel declined, or the card is blocked
MISMATCH: Final = "CRD-314"  # a result that is not of this transaction, or contradicts itself
OTHER_WAY: Final = "CRD-315"  # not by tap: insert the card, or swipe it
SEVERAL_CARDS: Final = "CRD-316"  # more than one card in the field: present one
CHIP_MUTE: Final = "CRD-317"  # the chip gave no answer: the only way to a fall-back
LEFT_IN: Final = "CRD-318"  # a card is still in the reader
BAD_SCAN: Final = "CRD-319"  # a scan that cannot be used: scan again
NO_PIN_PAD: Final = "CRD-320"  # this card needs a PIN and there is nothing to enter it on

# What people are told: English (key of the catalogues), zh-Hans, zh-Hant.
SENTENCES: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        NO_CARD: ("No card came in time.", "等待刷卡超时", "等待刷卡逾時"),
        CANCELLED: ("Cancelled.", "已取消", "已取消"),
        BAD_TRACK: (
            "The stripe was not read: swipe again.",
            "磁条读取失败,请重新刷卡",
            "磁條讀取失敗,請重新刷卡",
        ),
        NOISE: ("That was no card: try again.", "无效输入,请重试", "無效輸入,請重試"),
        HALF_LINE: (
            "The reader was interrupted: try again.",
            "读取中断,请重试",
            "讀取中斷,請重試",
        ),
        UNUSABLE: (
            "The card's data is wrong: use another card.",
            "卡片数据错误,请换卡",
            "卡片資料錯誤,請換卡",
        ),
        EXPIRED: ("The card has expired.", "卡片已过期", "卡片已過期"),
        CHIP_FIRST: (
            "This card has a chip: insert it.",
            "此卡为芯片卡,请插卡",
            "此卡為晶片卡,請插卡",
        ),
        NO_FALLBACK: (
            "The chip refused: the stripe is not taken.",
            "芯片已拒绝,不可刷卡",
            "晶片已拒絕,不可刷卡",
        ),
        READER_GONE: (
            "The card reader is not connected: check its cable.",
            "读卡器未连接,请检查连线",
            "讀卡機未連接,請檢查連線",
        ),
        READER_SILENT: (
            "The card reader does not answer: switch it off and on.",
            "读卡器无应答,请重新上电",
            "讀卡機無應答,請重新上電",
        ),
        READER_REFUSED: (
            "The card reader refused: have its set-up checked.",
            "读卡器拒绝,请检查其设置",
            "讀卡機拒絕,請檢查其設定",
        ),
        ENCRYPTED: (
            "The card reader is set up for another acquirer.",
            "读卡器密钥不属于本机",
            "讀卡機金鑰不屬於本機",
        ),
        TRY_AGAIN: ("Tap again and hold the card still.", "请重新挥卡", "請重新揮卡"),
        CARD_REFUSED: (
            "The card was declined: use another card.",
            "卡片拒绝,请换卡",
            "卡片拒絕,請換卡",
        ),
        MISMATCH: (
            "The reader's answer does not belong to this sale: try again.",
            "读卡结果与本次交易不符,请重试",
            "讀卡結果與本次交易不符,請重試",
        ),
        OTHER_WAY: ("Insert the card.", "请插卡", "請插卡"),
        SEVERAL_CARDS: ("Present one card only.", "请只出示一张卡", "請只出示一張卡"),
        CHIP_MUTE: (
            "The chip does not answer: check how the card is inserted, then swipe it.",
            "芯片无应答,请检查插卡方向,或改刷磁条",
            "晶片無應答,請檢查插卡方向,或改刷磁條",
        ),
        LEFT_IN: ("Remove the card.", "请移卡", "請移卡"),
        BAD_SCAN: (
            "The code was not read: scan again.",
            "条码无效,请重新扫描",
            "條碼無效,請重新掃描",
        ),
        NO_PIN_PAD: (
            "This card needs a PIN, and there is no PIN pad.",
            "此卡须输密码,本机无密码键盘",
            "此卡須輸密碼,本機無密碼鍵盤",
        ),
    }
)
