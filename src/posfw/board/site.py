"""The site file: where a board stands. Merchant, acquirer, addresses, keys, ports, policy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from posfw.board.schema import Leaf, Schema, read_toml, validate
from posfw.values.card import EntryMode

__all__ = ["Site", "Timing", "parse_site"]

KEEP_BATCHES = 2  # reprints and slips of yesterday need no archive
_TEXT = Leaf(str, required=True)


def _choice(*values: str) -> Leaf:
    return Leaf(str, rule=lambda v: "" if v in values else f"must be one of {', '.join(values)}")


def _length(size: int) -> Leaf:
    return Leaf(
        str, required=True, rule=lambda v: "" if len(v) == size else f"must have {size} characters"
    )


def _modes(value: list[object]) -> str:
    known = {mode.name.lower() for mode in EntryMode}
    wrong = [str(v) for v in value if v not in known]
    return (
        f"unknown entry mode {', '.join(wrong)}; known: {', '.join(sorted(known))}"
        if wrong
        else ""
    )


def _time_of_day(value: str) -> str:
    try:
        time.fromisoformat(value)
    except ValueError:
        return "must be a time of day such as 23:00"
    return ""


_SECONDS = Leaf((int, float), rule=lambda v: "" if v > 0 else "must be above zero")
_CLOCK = Leaf(
    str,
    rule=lambda v: "" if re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", v) else "must be HH:MM",
)
_COUNT = Leaf(int, rule=lambda v: "" if v >= 0 else "must not be negative")

SITE_SCHEMA: Schema = {
    "language": _choice("zh-Hans", "zh-Hant", "en"),
    "pre_activated": Leaf(bool),
    "operators": Leaf(bool),
    "serial": Leaf(str),
    "merchant": {
        "name": _TEXT,
        "id": _length(15),
        "header": Leaf(str),
        "footer": Leaf(str),
        "coupon": Leaf(str),
        "logo": Leaf(str),
    },
    "terminal": {"id": _length(8)},
    "acquirer": {
        "name": _TEXT,
        "addresses": Leaf(list, required=True),
        "server_name": _TEXT,
        "ca": _TEXT,
        "certificate": _TEXT,
        "key": _TEXT,
        "profile": Leaf(str),
        "bank_key": Leaf(str),
    },
    "settlement": {"automatic": Leaf(bool), "at": Leaf(str, rule=_time_of_day)},
    # What the board's keys.element needs: software a file; pkcs11 library, token and pin_file.
    "keys": {name: Leaf(str) for name in ("file", "library", "token", "pin_file")},
    "ports": {"*": Leaf(str)},
    # Models that may be fitted, by part (printer, reader, supply): others are warned of.
    "parts": {"*": Leaf(list)},
    # backup: folder of daily copies, a relative one lies in the state; keep_batches: closed ones
    # that stay when older ones move into the archive while no sale runs.
    "journal": {"backup": Leaf(str), "keep_batches": _COUNT},
    "policy": {
        "enabled": Leaf(bool),
        "per_transaction_minor": _COUNT,
        "sum_minor": _COUNT,
        "count": _COUNT,
        "card_sum_minor": _COUNT,
        "card_count": _COUNT,
        "age_h": _SECONDS,
        "from_time": _CLOCK,
        "to_time": _CLOCK,
        "entry_modes": Leaf(list, rule=_modes),
        "keyed_allowed": Leaf(bool),
    },
    "rules": Leaf(list),  # limits by kind, operator, card and time: sale.rules
    "timing": dict.fromkeys(
        ("authorise_s", "inquiry_s", "heartbeat_s", "connect_s", "retry_s", "card_s", "qr_poll_s"),
        _SECONDS,
    ),
}


@dataclass(frozen=True, slots=True)
class Timing:
    """Waiting times in seconds (payments page, rule 10)."""

    authorise_s: float = 30.0
    inquiry_s: float = 60.0
    heartbeat_s: float = 20.0
    connect_s: float = 8.0
    retry_s: float = 30.0  # cap of the back-off between attempts
    card_s: float = 60.0
    qr_poll_s: float = 2.0  # between two questions whether a code has been paid


@dataclass(frozen=True, slots=True)
class Site:
    """A checked site file; see SITE_SCHEMA for the keys' rules.

    Attributes:
        profile: id of the acquirer's profile: papers, fees, settlement time.
        bank_key: file of the key that signs the bank's activation answers, "" for none.
        pre_activated: sells without an activation; simulated boards only.
        operators: nobody sells unless signed in; voids and refunds need a supervisor.
        serial: of the device, "" where the board tells it or nobody does.
        settle_automatic: settle by the clock; False where people settle by hand.
        settle_at: at this local time; None for the profile's.
        coupon: printed for the cardholder below a sale, "" for none.
        parts: models that may be fitted, by part; a part that is not named is not judged.
        rules: limits by kind, operator, card and time of day, as they stand in the file.
    """

    merchant_name: str
    merchant_id: str
    terminal_id: str
    acquirer_name: str
    addresses: tuple[str, ...]
    server_name: str
    ca: str
    certificate: str
    key: str
    keys: Mapping[str, str]
    language: str
    ports: Mapping[str, str]
    policy: Mapping[str, Any]
    timing: Timing
    header: str = ""
    logo: str = ""
    backup: str = ""
    keep_batches: int = KEEP_BATCHES
    footer: str = ""
    coupon: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    profile: str = "unionpay"
    bank_key: str = ""
    pre_activated: bool = False
    operators: bool = True
    serial: str = ""
    settle_automatic: bool = True
    settle_at: time | None = None
    rules: tuple[Mapping[str, Any], ...] = ()

    @property
    def key_file(self) -> str:
        """The software element's file, "" where the site names none."""
        return self.keys.get("file", "")


def parse_site(text: str, *, source: str) -> Site:
    """Read and check a site file.

    Raises:
        ConfigError: every mistake with file and line.
    """
    document = read_toml(text, source=source)
    complete = {name: {} for name in ("merchant", "terminal", "acquirer", "keys")} | document
    validate(complete, SITE_SCHEMA, text=text, source=source)
    merchant, acquirer = complete["merchant"], complete["acquirer"]
    evening = complete.get("settlement", {})
    return Site(
        merchant_name=merchant["name"],
        merchant_id=merchant["id"],
        terminal_id=complete["terminal"]["id"],
        acquirer_name=acquirer["name"],
        addresses=tuple(acquirer["addresses"]),
        server_name=acquirer["server_name"],
        ca=acquirer["ca"],
        certificate=acquirer["certificate"],
        key=acquirer["key"],
        keys=complete["keys"],
        language=complete.get("language", "zh-Hans"),
        ports=complete.get("ports", {}),
        policy=complete.get("policy", {}),
        timing=Timing(**complete.get("timing", {})),
        header=merchant.get("header", ""),
        logo=merchant.get("logo", ""),
        backup=complete.get("journal", {}).get("backup", ""),
        keep_batches=complete.get("journal", {}).get("keep_batches", KEEP_BATCHES),
        footer=merchant.get("footer", ""),
        coupon=merchant.get("coupon", ""),
        parts=complete.get("parts", {}),
        profile=acquirer.get("profile", "unionpay"),
        bank_key=acquirer.get("bank_key", ""),
        pre_activated=complete.get("pre_activated", False),
        operators=complete.get("operators", True),
        serial=complete.get("serial", ""),
        settle_automatic=evening.get("automatic", True),
        settle_at=time.fromisoformat(evening["at"]) if "at" in evening else None,
        rules=tuple(complete.get("rules", ())),
    )
