"""Which board this is: device-tree strings compared whole, the most specific first.

The tree's `compatible` file (below /sys/firmware/devicetree/base) holds texts ended by NUL,
ordered by specificity: the first one that any profile claims wins. Searching for parts of texts
would depend on the order of profiles (rk3399 in rk3399pro) and is never done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from posfw.board.profile import Match
from posfw.values.errors import ConfigError

__all__ = ["Detection", "Evidence", "detect", "duplicates", "revision_of", "split_compatible"]

FALLBACK: Final = "host"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the machine says of itself: device-tree strings in order, and the DMI board name."""

    compatible: tuple[str, ...] = ()
    dmi: str = ""


@dataclass(frozen=True, slots=True)
class Detection:
    """A board and why: `override`, `compatible`, `soc`, `dmi` or `fallback`, and the text."""

    board: str
    by: str
    text: str = ""


def split_compatible(data: bytes) -> tuple[str, ...]:
    """Return the strings of a device-tree `compatible` property."""
    return tuple(part.decode("utf-8", "replace") for part in data.split(b"\0") if part)


def duplicates(boards: Mapping[str, Match]) -> list[str]:
    """Return complaints about strings that more than one profile claims."""
    told = []
    for kind in ("compatible", "dmi"):
        owner: dict[str, str] = {}
        for board, match in sorted(boards.items()):
            for text in getattr(match, kind):
                if text in owner:
                    told.append(f"{board}: match.{kind}: {text!r} already selects {owner[text]}")
                owner.setdefault(text, board)
    return told


def detect(
    evidence: Evidence,
    boards: Mapping[str, Match],
    *,
    override: str = "",
    production: bool = False,
) -> Detection:
    """Return the board.

    Args:
        evidence: what the machine says.
        boards: id -> how it is recognised.
        override: a board named by a person or a record; "" for none.
        production: refuse an override that the machine contradicts, and never fall back.

    Raises:
        ConfigError: unknown override (CFG-003), conflict (CFG-004), nothing fits (CFG-005).
    """
    seen = _by_evidence(evidence, boards)
    if override:
        return _overridden(override, seen, evidence, boards, production=production)
    if seen is not None:
        return seen
    if evidence.compatible or production:
        strings = ", ".join(evidence.compatible) or "no device tree"
        raise ConfigError(
            f"No board profile fits this machine ({strings}).",
            code="CFG-005",
            next_step="Write a profile with `posfw board new`, or name one with --board.",
        )
    return Detection(FALLBACK, "fallback")


def _by_evidence(evidence: Evidence, boards: Mapping[str, Match]) -> Detection | None:
    for kind in ("compatible", "soc"):
        for text in evidence.compatible:
            for board, match in sorted(boards.items()):
                claims = match.soc if kind == "soc" and match.generic else match.compatible
                if text in claims:
                    return Detection(board, kind, text)
    for board, match in sorted(boards.items()):
        if evidence.dmi and evidence.dmi in match.dmi:
            return Detection(board, "dmi", evidence.dmi)
    return None


def _overridden(
    override: str,
    seen: Detection | None,
    evidence: Evidence,
    boards: Mapping[str, Match],
    *,
    production: bool,
) -> Detection:
    if override not in boards:
        raise ConfigError(
            f"There is no board {override!r}; known are: {', '.join(sorted(boards))}.",
            code="CFG-003",
        )
    # A tree that no profile knows is no witness against a person; one that names another board is.
    if production and seen is not None and seen.board != override:
        raise ConfigError(
            f"The board was set to {override!r}, but this machine says {seen.text!r}, which is"
            f" {seen.board!r}.",
            code="CFG-004",
            effect="Nothing was started: wrong pins could heat a print head without a limit.",
            next_step="Correct the board setting, or install the image for this board.",
        )
    return Detection(override, "override", seen.text if seen else evidence.dmi)


def revision_of(match: Match, told: str | None) -> str:
    """Return the revision for the text of `match.revision.file`, None where it cannot be read."""
    if told is None:
        return match.revision_default
    return match.revisions.get(told.strip("\0 \n"), match.revision_default)
