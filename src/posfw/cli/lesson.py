"""The steps of `posfw guide`: what is said, what is typed, and when a step is already done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from posfw.staff.passwords import DEFAULTS

__all__ = ["APPLICATION", "KEY", "LESSON", "PASSWORDS", "Facts", "Step"]

# What the guide types by itself with --yes; a person chooses others.
PASSWORDS: Final = {"99": "48213907", "00": "482139", "01": "4821"}
APPLICATION: Final = """\
merchant_name = "示例小店 Sample shop"
account_name = "王小店"
"""
KEY: Final = "KEY"  # stands for the transaction that the step before made

_PAPERS = (
    ("account_name", "A-1001", "the account's name", "开户名"),
    ("identity", "A-1002", "licence and identity card", "营业执照和身份证"),
    ("agreement", "A-1003", "the merchant agreement", "受理协议"),
    ("location", "A-1004", "where the terminal stands", "经营地址"),
    ("premises", "A-1005", "photographs of the premises", "经营场所照片"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the running terminal says about itself.

    Attributes:
        activation: of `posfw activate status`.
        defaults: operators whose default password still stands.
        status: of `posfw status`.
    """

    activation: Mapping[str, Any]
    defaults: frozenset[str]
    status: Mapping[str, Any]

    def past(self, state: str) -> bool:
        """Whether the activation has reached this state."""
        return _ORDER.index(self.activation["state"]) >= _ORDER.index(state)


_ORDER = ("factory", "applied", "issued", "provisioned", "tested", "active")
Done = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        english, chinese: what it is for.
        command: behind `posfw`; {folder}, {terminal}, {merchant}, {code} and KEY are filled in.
        typed: lines that --yes types when the command asks.
        done: whether a guide that was interrupted has done it already.
        online: the line must be up first.
    """

    english: str
    chinese: str
    command: tuple[str, ...]
    typed: tuple[str, ...] = ()
    done: Done = field(default=lambda _: False)
    online: bool = False


def _password(number: str, who: str, chinese: str) -> Step:
    return Step(
        f"Change the default password {DEFAULTS[number]} of {number}, {who}.",
        f"修改{chinese} {number} 的出厂密码 {DEFAULTS[number]}。",
        ("operator", "password", number),
        (DEFAULTS[number], PASSWORDS[number]),
        lambda facts: number not in facts.defaults,
    )


def _paper(paper: str, reference: str, english: str, chinese: str) -> Step:
    def has(facts: Facts) -> bool:
        return any(p["id"] == paper and p["reference"] for p in facts.activation["papers"])

    return Step(
        f"Note on the checklist: {english}.",
        f"登记资料:{chinese}。",
        ("activate", "paper", paper, reference),
        done=lambda facts: facts.past("applied") or has(facts),
    )


def _by(number: str) -> tuple[str, ...]:
    return (PASSWORDS[number],)


LESSON: Final = (
    _password("99", "the system administrator", "系统管理员"),
    _password("00", "the supervisor", "主管"),
    _password("01", "the first cashier", "收银员"),
    Step(
        "Choose the acquirer.",
        "选择收单机构。",
        ("activate", "profile", "unionpay"),
        done=lambda facts: bool(facts.activation["profile"]),
    ),
    Step(
        "Check hardware and stability, before anything else.",
        "先检查硬件和稳定性。",
        ("activate", "check"),
        done=lambda facts: facts.past("applied"),
    ),
    *(_paper(*paper) for paper in _PAPERS),
    Step(
        "Apply at the bank with the merchant's data.",
        "向银行提交申请资料。",
        ("activate", "apply", "{folder}/application.toml"),
        done=lambda facts: facts.past("applied"),
    ),
    Step(
        "The bank has issued numbers and an activation card. Enter them; 99 approves.",
        "银行已下发终端号、商户号和激活卡,由 99 录入。",
        ("activate", "issued", "{terminal}", "{merchant}", "{code}"),
        _by("99"),
        lambda facts: facts.past("issued"),
    ),
    Step(
        "Export the signed activation file.",
        "导出已签名的激活文件。",
        ("activate", "export", "{folder}/activation.cbor"),
        done=lambda facts: facts.past("provisioned"),
    ),
    Step(
        "Hand it in.",
        "提交银行审核。",
        ("activate", "submitted"),
        done=lambda facts: facts.past("provisioned"),
    ),
    Step(
        "At the bank's desk: the simulated bank certifies the file.",
        "银行(模拟)认证激活文件。",
        ("sim", "bank", "certify", "{folder}/activation.cbor", "{folder}/answer.cbor"),
        done=lambda facts: facts.past("provisioned"),
    ),
    Step(
        "Import the answer: terminal number, date and yesterday's amount are compared.",
        "导入回执:核对终端号、日期、昨日结算金额。",
        ("activate", "import", "{folder}/answer.cbor"),
        done=lambda facts: facts.past("provisioned"),
    ),
    Step(
        "Compare them by eye too, and confirm; 99 approves.",
        "人工核对无误后确认,由 99 授权。",
        ("activate", "confirm"),
        _by("99"),
        lambda facts: facts.past("provisioned"),
    ),
    Step(
        "Load keys and parameters from the acquirer.",
        "下载密钥和参数。",
        ("activate", "provision"),
        done=lambda facts: facts.past("provisioned"),
        online=True,
    ),
    Step(
        "Run the acceptance rounds: sale, decline, void, refund, print, line loss, settlement.",
        "验收测试:消费、拒绝、撤销、退货、打印、断线、结算。",
        ("activate", "test"),
        done=lambda facts: facts.past("tested"),
        online=True,
    ),
    Step(
        "Go live; 99 approves.",
        "启用终端,由 99 授权。",
        ("activate", "live"),
        _by("99"),
        lambda facts: facts.past("active"),
    ),
    Step(
        "Sign the cashier in.",
        "收银员签到。",
        ("operator", "in", "01"),
        _by("01"),
        lambda facts: facts.status["operator"] == "01",
    ),
    Step(
        "Take the first payment; a test card is keyed by hand.",
        "第一笔消费:手输测试卡号。",
        ("sim", "card", "key", "unionpay", "12.00"),
        online=True,
    ),
    Step(
        "Take it back the same day; the supervisor 00 approves.",
        "当日撤销,由主管 00 授权。",
        ("void", KEY),
        _by("00"),
        online=True,
    ),
    Step(
        "Take another one.", "再做一笔消费。", ("sim", "card", "key", "visa", "30.00"), online=True
    ),
    Step("Look at the X report of the day so far.", "查看当日 X 报表。", ("settle", "report")),
    Step(
        "Settle: journal and bank are compared record by record, the slip is printed.",
        "结算:逐笔核对,打印结算单。",
        ("settle",),
        online=True,
    ),
    Step("Sign the cashier out.", "操作员签退。", ("operator", "out")),
)
