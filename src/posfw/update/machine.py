"""How far an update is: a table, folded from the UPDATE topic. The boot state has the last word.

    state        record        next
    IDLE         checked       CHECKED
    CHECKED      checked       CHECKED
    CHECKED      installing    INSTALLING
    INSTALLING   installed     PENDING
    INSTALLING   failed        IDLE
    PENDING      good          GOOD
    PENDING      returned      REVERTED
    GOOD         checked       CHECKED
    REVERTED     checked       CHECKED

A record that does not fit is one that an earlier power cut swallowed another of: `good` and
`returned` count in every state, because the boot state proved them before they were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from posfw.values.events import Record

__all__ = ["TABLE", "Progress", "Stage", "fold", "repaired"]


class Stage(StrEnum):
    """How far."""

    IDLE = "idle"
    CHECKED = "checked"
    INSTALLING = "installing"
    PENDING = "pending"
    GOOD = "good"
    REVERTED = "reverted"


TABLE: Final[Mapping[tuple[Stage, str], Stage]] = MappingProxyType(
    {
        (Stage.IDLE, "checked"): Stage.CHECKED,
        (Stage.CHECKED, "checked"): Stage.CHECKED,
        (Stage.GOOD, "checked"): Stage.CHECKED,
        (Stage.REVERTED, "checked"): Stage.CHECKED,
        (Stage.CHECKED, "installing"): Stage.INSTALLING,
        (Stage.INSTALLING, "installed"): Stage.PENDING,
        (Stage.INSTALLING, "failed"): Stage.IDLE,
        (Stage.PENDING, "good"): Stage.GOOD,
        (Stage.PENDING, "returned"): Stage.REVERTED,
    }
)
_PROVED: Final = MappingProxyType({"good": Stage.GOOD, "returned": Stage.REVERTED})


@dataclass(frozen=True, slots=True)
class Progress:
    """The update as recorded; `version` and `slot` are of the newest bundle, "" for none."""

    stage: Stage = Stage.IDLE
    version: str = ""
    slot: str = ""
    code: str = ""
    counter: int = 0


def fold(records: Iterable[Record]) -> Progress:
    """Return how far it is after these records of the UPDATE topic."""
    now = Progress()
    for record in records:
        stage = TABLE.get((now.stage, record.name)) or _PROVED.get(record.name)
        if stage is None:
            continue
        body = record.body
        counter = body.get("counter")
        now = replace(
            now,
            stage=stage,
            version=str(body.get("version", now.version)),
            slot=str(body.get("slot", now.slot)),
            code=str(body.get("code", "")),
            # Only what became good counts as a floor: a checked bundle is anybody's word.
            counter=max(now.counter, counter)
            if stage is Stage.GOOD and type(counter) is int
            else now.counter,
        )
    return now


def repaired(now: Progress, *, slot: str, trial: str) -> str:
    """Return the record that a power cut swallowed, "" for none.

    Args:
        now: as folded.
        slot: that runs.
        trial: of the boot state.
    """
    if now.stage is Stage.INSTALLING:
        return "installed" if trial else "failed"
    if now.stage is Stage.PENDING and not trial:
        # `returned` is written before the trial is cleared, so cleared without it means good.
        return "good" if slot == now.slot else "returned"
    return ""
