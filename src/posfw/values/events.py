"""Records that are not money: sign-ons, parameters, operators, activation, goods, maintenance.

One append-only stream in the journal holds them beside the money; a slice folds its own topic
into its state. Bodies are plain CBOR values with text keys, never card data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

__all__ = ["Plain", "Record", "Topic"]

Plain: TypeAlias = (
    "bool | int | str | bytes | list[Plain] | tuple[Plain, ...] | Mapping[str, Plain] | None"
)


class Topic(StrEnum):
    """Whose record it is; a slice reads and appends its own topics only."""

    SESSION = "session"  # sign-on, sign-off, numbers told by the acquirer
    PARAMETERS = "parameters"
    OPERATOR = "operator"
    ACTIVATION = "activation"
    SETTLEMENT = "settlement"
    GOODS = "goods"
    DELIVERY = "delivery"
    UPKEEP = "upkeep"
    POLICY = "policy"
    UPDATE = "update"
    FAULT = "fault"
    SYSTEM = "system"  # started, stopped, versions, clock jumps


@dataclass(frozen=True, slots=True)
class Record:
    """One fact with its time and the operator it is owed to ("" for the terminal itself)."""

    topic: Topic
    name: str
    at: datetime
    operator: str = ""
    body: Mapping[str, Plain] = field(default_factory=dict)
    number: int = 0  # row number, 0 before it is stored
