"""The bank's answer as a person types it, from a letter or a message (S72). Pure.

Only what the terminal cannot know is typed: the bank's day, the amount, the parameters' version
and the signature. The rest of the answer is put together from what the terminal expects, so a
wrong terminal, serial or request makes a signature that does not fit. 31 groups of four and one
check character each: a mistyped or swapped group is named before anything is verified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from posfw.activate.bundle import Answer, Expected, open_answer, seal_answer
from posfw.crypto.sign1 import PublicKey, parse_sign1
from posfw.values.errors import InputError, MisuseError

__all__ = ["GROUPS", "assembled", "spoken"]

# 31 characters, a prime: every single mistake and every swap within a group changes the check.
# Without I, L, O, U and Z, which are read as 1, 0, V and 2.
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXY"
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V", "Z": "2"})
_PRIME: Final = len(ALPHABET)
GROUPS: Final = 31
_LETTERS: Final = 4 * GROUPS
_DAY, _AMOUNT, _VERSION, _SIGNATURE = 4, 5, 2, 64
_BYTES: Final = _DAY + _AMOUNT + _VERSION + _SIGNATURE
_KID: Final = b"bank"


@dataclass(frozen=True, slots=True)
class _Signed:
    """A crypto.sign1.Signer whose signature was made elsewhere."""

    algorithm: int
    signature: bytes
    public: bytes = b""

    def sign(self, _: bytes) -> bytes:
        return self.signature


def spoken(file: bytes, key: PublicKey) -> str:
    """Return a signed answer in typed form: the bank's side, used by simulators and tests.

    Raises:
        MisuseError: it holds more than the typed form has room for.
        AuthenticityError: not signed by this key.
    """
    answer = open_answer(file, key)
    message, version = parse_sign1(file), answer.parameters.get("version")
    if message.kid != _KID or list(answer.parameters) != ["version"] or type(version) is not int:
        raise MisuseError("An answer with more than a version has no typed form.")
    data = (
        int(answer.day).to_bytes(_DAY, "big")
        + answer.yesterday_minor.to_bytes(_AMOUNT, "big", signed=True)
        + version.to_bytes(_VERSION, "big")
        + message.signature
    )
    number, letters = int.from_bytes(data, "big"), ""
    for _ in range(_LETTERS):
        number, digit = divmod(number, _PRIME)
        letters = ALPHABET[digit] + letters
    parts = [letters[at : at + 4] for at in range(0, _LETTERS, 4)]
    return " ".join(part + _check(place, part) for place, part in enumerate(parts, 1))


def assembled(text: str, expected: Expected, key: PublicKey) -> bytes:
    """Return the answer file that these groups stand for; its signature is not verified here.

    Raises:
        InputError: ACT-226, a group is mistyped or missing; its place is named.
    """
    letters = re.sub(r"[\s-]", "", text.upper()).translate(_READ_AS)
    groups = [letters[at : at + 5] for at in range(0, len(letters), 5)]
    wrong = [
        str(place)
        for place, group in enumerate(groups, 1)
        if len(group) != 5
        or not set(group) <= set(ALPHABET)
        or group[4] != _check(place, group[:4])
    ]
    if wrong or len(groups) != GROUPS:
        told = f"groups {', '.join(wrong)} are mistyped" if wrong else f"{len(groups)} groups"
        raise InputError(
            f"The answer has {GROUPS} groups of five: {told}.",
            code="ACT-226",
            effect="Nothing was taken.",
            next_step="Compare the named groups with the letter and type them again.",
        )
    number = 0
    for letter in "".join(group[:4] for group in groups):
        number = number * _PRIME + ALPHABET.index(letter)
    if number >> (8 * _BYTES):
        raise InputError("The answer's groups stand for no answer.", code="ACT-226")
    data = number.to_bytes(_BYTES, "big")
    answer = Answer(
        request=expected.request,
        terminal=expected.terminal,
        merchant=expected.merchant,
        serial=expected.serial,
        day=f"{int.from_bytes(data[:_DAY], 'big'):08d}",
        yesterday_minor=int.from_bytes(data[_DAY : _DAY + _AMOUNT], "big", signed=True),
    )
    version = int.from_bytes(data[_DAY + _AMOUNT : -_SIGNATURE], "big")
    full = replace(answer, parameters={"version": version})
    return seal_answer(full, _Signed(key.algorithm, data[-_SIGNATURE:]), _KID)


def _check(place: int, part: str) -> str:
    """Return a group's check character: weights by position, and the group's place."""
    total = sum(weight * ALPHABET.index(each) for weight, each in enumerate(part, 1))
    return ALPHABET[(total + 7 * place) % _PRIME]
