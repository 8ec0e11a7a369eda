"""Operators' passwords: scrypt under a key of the secure element, and what a new one must be.

Four to eight digits are guessed in minutes from any hash alone, so two things protect them: the
pepper never lies beside the journal (a copied file alone tells nothing), and every guess at the
keypad is counted and slowed (`operators`).
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from dataclasses import dataclass

from posfw.values.errors import InputError
from posfw.values.events import Plain

__all__ = ["COST", "DEFAULTS", "Cost", "Secret", "check_new", "digest", "matches"]


@dataclass(frozen=True, slots=True)
class Cost:
    """scrypt's parameters (RFC 7914, 2); they travel with every digest so that they can grow."""

    n: int
    r: int
    p: int

    @property
    def memory_bytes(self) -> int:
        """Working memory of one check (RFC 7914, 2: 128·N·r)."""
        return 128 * self.n * self.r


# 16 MiB for one check, which ends at once: the process may have 64 MiB (design, budgets). 40 ms on
# a host core; a Cortex-A7 at 10 to 20 times that answers a password within a second.
COST = Cost(n=2**14, r=8, p=1)

# The figures that stand in every manual (screens page, section 2). They open one door only: the
# change of the password.
DEFAULTS = {"99": "12345678", "00": "123456", "01": "0000"}

_LENGTHS = {"99": (8, 12), "00": (6, 12)}
_CASHIER = (4, 12)


@dataclass(frozen=True, slots=True)
class Secret:
    """A stored password: salt, digest, cost."""

    salt: bytes
    digest: bytes
    cost: Cost = COST

    def body(self) -> dict[str, Plain]:
        """Return what the journal keeps."""
        cost = self.cost
        return {
            "salt": self.salt,
            "digest": self.digest,
            "n": cost.n,
            "r": cost.r,
            "p": cost.p,
        }


def digest(password: str, *, salt: bytes, pepper: bytes, cost: Cost = COST) -> Secret:
    """Hash a password; takes `cost.memory_bytes` and tens of milliseconds: run it in a worker.

    Args:
        password: what was typed.
        salt: 16 fresh random bytes.
        pepper: 32 bytes from the secure element.
        cost: scrypt's parameters.
    """
    peppered = hmac.digest(pepper, password.encode(), "sha256")
    found = hashlib.scrypt(
        peppered,
        salt=salt,
        n=cost.n,
        r=cost.r,
        p=cost.p,
        maxmem=2 * cost.memory_bytes,
        dklen=32,
    )
    return Secret(salt, found, cost)


def matches(password: str, secret: Secret, *, pepper: bytes) -> bool:
    """Whether this is the password; as slow as `digest`."""
    found = digest(password, salt=secret.salt, pepper=pepper, cost=secret.cost)
    return hmac.compare_digest(found.digest, secret.digest)


def check_new(operator: str, password: str) -> None:
    """Check a new password before it is hashed.

    Raises:
        InputError: not digits, too short or long, a default, one digit repeated, or a row.
    """
    shortest, longest = _LENGTHS.get(operator, _CASHIER)
    complaint = ""
    if not (password.isascii() and password.isdigit()):
        complaint = "A password has digits only."
    elif not shortest <= len(password) <= longest:
        complaint = f"The password of {operator} has {shortest} to {longest} digits."
    elif password in DEFAULTS.values():
        complaint = "This password stands in every manual."
    elif _steps(password) in ({0}, {1}, {9}):
        complaint = "A repeated digit or a row of digits is guessed first."
    if complaint:
        raise InputError(complaint, code="OPR-210", next_step="Choose another password.")


def _steps(password: str) -> set[int]:
    """Return the differences of neighbouring digits, modulo ten."""
    return {(int(b) - int(a)) % 10 for a, b in itertools.pairwise(password)}
