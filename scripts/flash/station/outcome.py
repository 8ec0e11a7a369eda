"""How a step at the bench ends: exit codes that never change their meaning, and one error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum

__all__ = ["BenchError", "Exit", "tell"]


class Exit(IntEnum):
    """Exit codes of every script in this folder (docs/manufacture.md)."""

    OK = 0
    FAILED = 1  # a step did not succeed; with several targets: at least one
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4  # a guard said no: nothing was changed
    DEVICE = 5  # the target is gone or answers with errors
    MISMATCH = 6  # what was read back is not what was written, or a record does not verify
    BUSY = 7  # another process works on this target
    INPUT = 78  # image, manifest, signature or range cannot be used: nothing was changed
    INTERRUPTED = 130


class BenchError(Exception):
    """Why a step ended; `reasons` are whole sentences for the operator."""

    def __init__(self, code: Exit, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.code = code
        self.reasons: Sequence[str] = reasons


def tell(schema: str, fields: Mapping[str, object], *, as_json: bool, text: str) -> None:
    """Print the result: one JSON document, or the text for people."""
    if as_json:
        document = {"schema": schema, "schema_version": 1, **fields}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    elif text:
        sys.stdout.write(text + "\n")
