"""Talking to a unit: a command of the bench's (serial console, ssh) that takes and gives JSON.

The request goes to its standard input, never into its arguments, where every user of the bench
could read it; the answer is one JSON document, bounded in size and time.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any, Final

from station.outcome import BenchError, Exit

__all__ = ["Agent"]

ANSWER_BYTES: Final = 1 << 20


class Agent:
    """One unit at the end of a command."""

    def __init__(self, command: str, *, timeout_s: float = 120.0) -> None:
        self._command = shlex.split(command)
        self._timeout_s = timeout_s
        if not self._command:
            raise BenchError(Exit.USAGE, "Say --agent COMMAND.")

    def ask(self, do: str, **fields: object) -> Mapping[str, Any]:
        """Send one request and return the answer.

        Raises:
            BenchError: DEVICE; no answer, a failure, or not one JSON object.
        """
        request = json.dumps({"do": do, **fields}).encode()
        try:
            done = subprocess.run(
                self._command, input=request, capture_output=True,
                timeout=self._timeout_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            told = f"The unit did not answer {do!r} within {self._timeout_s:.0f} s."
            raise BenchError(Exit.DEVICE, told) from error
        except OSError as error:
            raise BenchError(Exit.DEVICE, f"The agent cannot be run: {error.strerror}.") from error
        # What a unit prints on stderr may hold anything: it is never shown or kept.
        if done.returncode != 0:
            told = f"The unit failed at {do!r} (agent exit {done.returncode})."
            raise BenchError(Exit.DEVICE, told)
        return _document(done.stdout, do)


def _document(answer: bytes, do: str) -> Mapping[str, Any]:
    told = BenchError(Exit.DEVICE, f"The unit's answer to {do!r} is not one JSON object.")
    if len(answer) > ANSWER_BYTES:
        raise told
    if b"PRIVATE KEY" in answer:
        raise BenchError(
            Exit.MISMATCH, "The unit gave a private key away: it must be discarded, not sold."
        )
    try:
        found = json.loads(answer)
    except ValueError:
        raise told from None
    if not isinstance(found, dict):
        raise told
    return found
