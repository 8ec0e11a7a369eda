"""A job of the print queue: which document, which copy, how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Copy", "DocumentKind", "DocumentRef", "Job", "JobState"]


class DocumentKind(StrEnum):
    """What a print job prints; also the order in which waiting jobs are taken."""

    SETTLEMENT = "settlement"
    RECEIPT = "receipt"
    FAULT = "fault"
    REPORT = "report"
    TEST = "test"


class Copy(StrEnum):
    """Which copy a slip is."""

    MERCHANT = "merchant"  # 商户存根
    CARDHOLDER = "cardholder"  # 持卡人存根
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Where a document's facts lie: composed when printed, so a row stays small.

    Attributes:
        kind: what it is.
        subject: a transaction key, a batch number or a record number, as text.
    """

    kind: DocumentKind
    subject: str


class JobState(StrEnum):
    """States of a print job; UNKNOWN after a crash while printing: a person decides."""

    QUEUED = "queued"
    PRINTING = "printing"
    PAUSED = "paused"
    DONE = "done"
    UNKNOWN = "unknown"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Job:
    """One copy of one document in the journal's print queue.

    Attributes:
        number: row number.
        ref: what to print.
        copy: which copy.
        duplicate: printed before or perhaps printed before: bears 重打印/DUPLICATE.
        state: where it stands.
        band: bands known to have been handed to the printer, for resuming a pause.
        reason: why it is paused, a stable code such as PRN-201, else "".
    """

    number: int
    ref: DocumentRef
    copy: Copy
    duplicate: bool = False
    state: JobState = JobState.QUEUED
    band: int = 0
    reason: str = ""
