"""Somebody who pays with a telephone (扫码): scanned by the shop, or scanning what it shows.

Only values and the shape of the payer's side; the screen and the line stand elsewhere.
"""

from __future__ import annotations

from typing import Protocol

from posfw.values.identity import Key
from posfw.values.outcome import Outcome, Waiting
from posfw.values.transaction import Begun

__all__ = ["Payer"]


class Payer(Protocol):
    """Who is waited for between the acquirer's first word and its last."""

    async def wait(self, begun: Begun, waiting: Waiting) -> bool:
        """Let the payer act for a while.

        Returns:
            False when the acquirer is to be asked again; True once nobody waits any longer: time
            is up, or the cashier has cancelled.
        """
        ...

    async def close(self, key: Key) -> Outcome:
        """Tell the acquirer to take no payment under this key any more.

        Returns:
            Approved: it was paid before that. Declined: it is closed, also for a request that
            arrives later. Everything else: nobody knows.
        """
        ...
