"""The unit in which paper is fed to a mechanism: what is admitted, sent and counted at once.

`printer.sheet` cuts a document into strips, the throttle admits them one by one by their heat,
the task hands them over and records how far it came. A strip holds whole commands only: a pause
between two strips never leaves the mechanism inside a command.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Strip"]


@dataclass(frozen=True, slots=True)
class Strip:
    """Bytes for the mechanism and what they cost the head.

    Attributes:
        data: whole ESC/POS commands.
        rows: dot rows the paper advances.
        dots: dots fired (black dots; estimated from the glyph bitmap in text mode).
    """

    data: bytes
    rows: int
    dots: int
