"""What every slip has in common: who prints it, and the words of a receipt in both languages.

Receipts are bilingual by rule: 消费/SALE. The terminal's language chooses Simplified or
Traditional characters; where it is English, the English word leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from posfw.values.money import Money
from posfw.values.printjob import Copy
from posfw.values.transaction import Kind

if TYPE_CHECKING:
    from posfw.values.document import Logo  # the printer's part loads it

__all__ = ["COPIES", "KINDS", "Merchant", "Word", "printed_amount"]


@dataclass(frozen=True, slots=True)
class Word:
    """One word in the three languages."""

    hans: str
    hant: str
    en: str

    def pair(self, language: str) -> str:
        """Return Chinese and English, in the order of the terminal's language."""
        if language == "en":
            return f"{self.en}/{self.hans}"
        return f"{self.hant if language == 'zh-Hant' else self.hans}/{self.en}"

    def lines(self, language: str) -> tuple[str, str]:
        """Return both as lines of their own, for sentences."""
        chinese = self.hant if language == "zh-Hant" else self.hans
        return (self.en, chinese) if language == "en" else (chinese, self.en)


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who sells, as slips name it.

    Attributes:
        name: 商户名称.
        number: 商户编号, 15 characters.
        terminal: 终端编号, 8 characters.
        acquirer: 收单行, as the acquirer's profile names itself.
        header: replaces the head of receipts (银联POS签购单).
        footer: printed below, "" for none.
        coupon: for the cardholder, below what took money, "" for none.
        logo: printed on top; checked by `printer.layout.check_logo` at start-up.
        find_code: print the transaction's number as a QR code, for voids and refunds by scanner.
    """

    name: str
    number: str
    terminal: str
    acquirer: str = ""
    header: str = ""
    footer: str = ""
    coupon: str = ""
    logo: Logo | None = None
    find_code: bool = False


# Names of the UnionPay POS application (payments page, 2.2).
KINDS = MappingProxyType(
    {
        Kind.SALE: Word("消费", "消費", "SALE"),
        Kind.VOID: Word("消费撤销", "消費撤銷", "VOID"),
        Kind.REFUND: Word("退货", "退貨", "REFUND"),
        Kind.BALANCE: Word("余额查询", "餘額查詢", "BALANCE"),
        Kind.PREAUTH: Word("预授权", "預授權", "PRE-AUTH"),
        Kind.PREAUTH_ADD: Word("追加预授权", "追加預授權", "ADD PRE-AUTH"),
        Kind.PREAUTH_VOID: Word("预授权撤销", "預授權撤銷", "PRE-AUTH VOID"),
        Kind.COMPLETION: Word("预授权完成(请求)", "預授權完成(請求)", "COMPLETION"),
        Kind.COMPLETION_ADVICE: Word("预授权完成(通知)", "預授權完成(通知)", "COMPL. ADVICE"),
        Kind.COMPLETION_VOID: Word("预授权完成撤销", "預授權完成撤銷", "COMPL. VOID"),
        Kind.OFFLINE_SALE: Word("离线结算", "離線結算", "OFFLINE SALE"),
        Kind.ADJUST: Word("结算调整", "結算調整", "ADJUST"),
        Kind.ADJUST_DOWN: Word("结算调减", "結算調減", "ADJUST DOWN"),
        Kind.TIP: Word("小费", "小費", "TIP"),
        Kind.INSTALMENT: Word("分期付款", "分期付款", "INSTALMENT"),
        Kind.INSTALMENT_VOID: Word("分期撤销", "分期撤銷", "INSTALMENT VOID"),
        Kind.QR_SALE: Word("扫码消费", "掃碼消費", "QR SALE"),
        Kind.QR_VOID: Word("扫码撤销", "掃碼撤銷", "QR VOID"),
        Kind.QR_REFUND: Word("扫码退货", "掃碼退貨", "QR REFUND"),
    }
)
COPIES = MappingProxyType(
    {
        Copy.MERCHANT: Word("商户存根", "商戶存根", "MERCHANT COPY"),
        Copy.CARDHOLDER: Word("持卡人存根", "持卡人存根", "CARDHOLDER COPY"),
        Copy.SINGLE: Word("存根", "存根", "COPY"),
    }
)


def printed_amount(amount: Money, direction: int = 1) -> str:
    """Return an amount as slips show it: `RMB 1,234.50`, a credit to the card with a minus.

    Slips say RMB where ISO 4217 says CNY (payments page, 3.2).
    """
    whole, point, rest = str(amount).partition(".")
    sign = "-" if direction < 0 else ""
    name = "RMB" if amount.currency.code == "CNY" else amount.currency.code
    return f"{name} {sign}{int(whole):,}{point}{rest}"
