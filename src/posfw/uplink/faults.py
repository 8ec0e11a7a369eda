"""Why the line is not there: one stable code a cause, for screen, log and status alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["FAULTS", "LineFault", "fault"]


@dataclass(frozen=True, slots=True)
class LineFault:
    """A cause as a person reads it, and what can be done; the terminal retries by itself."""

    code: str
    cause: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.cause} ({self.code})"


_NETWORK: Final = "Check network, cable and the acquirer's address."
_ACQUIRER: Final = "Call the acquirer with this code."
_OWN: Final = "Call service: the terminal's certificate must be renewed."

FAULTS: Final[Mapping[str, LineFault]] = {
    each.code: each
    for each in (
        LineFault("NET-101", "The acquirer cannot be reached.", _NETWORK),
        LineFault("NET-102", "The acquirer does not take the connection in time.", _NETWORK),
        LineFault("NET-103", "The acquirer's TLS is older than 1.3.", _ACQUIRER),
        LineFault("NET-104", "The acquirer's certificate has expired.", _ACQUIRER),
        LineFault(
            "NET-105", "The acquirer's certificate is not valid yet.", "Check date and time."
        ),
        LineFault("NET-106", "The acquirer's certificate is for another name.", _ACQUIRER),
        LineFault("NET-107", "The acquirer's certificate is not of its own CA.", _ACQUIRER),
        LineFault("NET-108", "Who answers does not speak TLS.", _ACQUIRER),
        LineFault("NET-109", "The acquirer refuses this terminal's certificate.", _OWN),
        LineFault("NET-110", "The TLS connection failed.", _ACQUIRER),
        LineFault("NET-111", "The acquirer's name is not found.", _NETWORK),
        LineFault("NET-121", "The acquirer does not answer the echo.", _NETWORK),
        LineFault("NET-122", "The acquirer answers too slowly.", _NETWORK),
        LineFault("NET-123", "The acquirer's answers do not verify.", _ACQUIRER),
        LineFault("NET-124", "The acquirer sent a frame of an impossible length.", _ACQUIRER),
        LineFault("NET-125", "The acquirer closed the line.", _NETWORK),
        LineFault("NET-126", "The line broke.", _NETWORK),
        LineFault("NET-127", "The line takes no bytes.", _NETWORK),
        LineFault("NET-130", "The uplink was stopped.", "Start the terminal."),
        LineFault(
            "NET-131",
            "The acquirer does not speak this version of the protocol.",
            "Update the terminal's software.",
        ),
        LineFault(
            "NET-132",
            "The secure element gives no key.",
            "Check the secure element: posfw keys status",
        ),
    )
}


def fault(code: str) -> LineFault:
    """Return the fault of a code."""
    return FAULTS[code]
