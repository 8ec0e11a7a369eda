"""May this terminal be updated now, and with this bundle? And what becomes of its journal?

Code that goes back must never meet a journal that went forward. So a slot on trial copies the
journal before it migrates it and sells nothing; a slot that takes over after a failed trial puts
the copy back. Whether a trial failed is the boot state's word, in one write: no record can lag.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from posfw.update.manifest import Manifest, Release, version_of

__all__ = ["Keeping", "Situation", "judge", "keeping", "may_update"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What of the terminal forbids an update.

    Attributes:
        records: transactions of the open batch.
        in_doubt: begun and not concluded.
        reversals: owed.
        unsent: other messages that the acquirer has not acknowledged.
        settling: a settlement has begun and not closed its batch.
        jobs: slips that are queued, paused or printing.
        unknown_prints: slips that a person has to decide on.
        trial: this program itself is on trial.
        behind: the journal is an old copy.
    """

    records: int = 0
    in_doubt: int = 0
    reversals: int = 0
    unsent: int = 0
    settling: bool = False
    jobs: int = 0
    unknown_prints: int = 0
    trial: bool = False
    behind: bool = False


class Keeping(StrEnum):
    """What happens to the journal's file before it is opened."""

    OPEN = "open"
    COPY = "copy"  # then open: it will be migrated by a program on trial
    PUT_BACK = "put_back"  # the copy, then open: the trial failed after it migrated
    REFUSE = "refuse"  # newer than this program, and no copy that may be put back


def may_update(situation: Situation) -> tuple[str, ...]:
    """Return the codes of everything that forbids an update now; empty when nothing does."""
    reasons = {
        "UPD-101": situation.records > 0,
        "UPD-102": situation.reversals > 0 or situation.unsent > 0,
        "UPD-103": situation.in_doubt > 0,
        "UPD-104": situation.jobs > 0 or situation.unknown_prints > 0,
        "UPD-105": situation.settling,
        "UPD-106": situation.trial,
        "UPD-107": situation.behind,
    }
    return tuple(code for code, forbids in reasons.items() if forbids)


def judge(
    manifest: Manifest, running: Release, *, counter: int | None, schema: int
) -> tuple[str, ...]:
    """Return the codes of everything that is wrong with a bundle; empty when nothing is.

    Args:
        manifest: the bundle's words, verified before.
        running: the words of the image that is to be replaced.
        counter: of the boot state; None, where it is not known, forbids every bundle.
        schema: of the journal as it stands.
    """
    low, high = manifest.schema
    reasons = {
        "UPD-201": manifest.compatible != running.compatible,
        "UPD-202": version_of(manifest.version) < version_of(running.oldest)
        or version_of(running.version) < version_of(manifest.from_version),
        "UPD-203": counter is None or manifest.counter < max(counter, running.counter),
        "UPD-204": not low <= schema <= high,
    }
    return tuple(code for code, wrong in reasons.items() if wrong)


def keeping(*, journal: int, program: int, trial: bool, failed: bool, copy: int) -> Keeping:
    """Return what to do with the journal's file.

    Args:
        journal: its schema, 0 where there is none yet.
        program: the schema that this program writes.
        trial: this program is on trial.
        failed: another program was on trial and never became good.
        copy: schema of the copy made before a migration, 0 where there is none.
    """
    if journal > program:
        return Keeping.PUT_BACK if failed and 0 < copy <= program else Keeping.REFUSE
    if trial and 0 < journal < program and not copy:
        return Keeping.COPY
    return Keeping.OPEN
