"""The bank's desk that certifies activation files: by file, or by code over the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from posfw.activate.bundle import Answer, digest, open_request, seal_answer
from posfw.crypto.sign1 import Signer
from posfw.values.errors import RefusedError

__all__ = ["CODE", "Certifier"]

CODE = "JH-1001"  # on the activation card that goes with every simulated terminal


def _today() -> date:
    return date.today()  # noqa: DTZ011 - the bank stands where the terminal does


@dataclass(slots=True)
class Certifier:
    """Signs answers to activation files.

    Attributes:
        signer: the bank's key.
        merchants: merchant number by terminal number, as the bank issued them.
        settled_minor: what it settled last with each terminal: debits less credits.
        codes: activation codes that it takes over the line.
        today: the bank's date.
    """

    signer: Signer = field(repr=False)
    merchants: dict[str, str] = field(default_factory=dict)
    settled_minor: dict[str, int] = field(default_factory=dict)
    codes: set[str] = field(default_factory=lambda: {CODE})
    today: Callable[[], date] = _today

    def certify(self, file: bytes) -> bytes:
        """Return the signed answer to an activation file.

        Raises:
            CodecError: not an activation file.
            AuthenticityError: not signed by the key that it names.
            RefusedError: this bank issued no such terminal to that merchant.
        """
        request = open_request(file)
        if self.merchants.get(request.terminal) != request.merchant:
            raise RefusedError(
                f"The bank has not issued terminal {request.terminal[:8]} to this merchant."
            )
        answer = Answer(
            request=digest(file),
            terminal=request.terminal,
            merchant=request.merchant,
            serial=request.serial,
            day=f"{self.today():%Y%m%d}",
            yesterday_minor=self.settled_minor.get(request.terminal, 0),
            parameters={"version": 1},
        )
        return seal_answer(answer, self.signer, b"bank")
