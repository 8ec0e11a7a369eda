"""The simulated issuer: checks a cryptogram with its own keys, answers with ARPC and scripts.

It sees only what the message carries (DE55 data, card number, sequence), as a real host does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from posfw.sim.chip.ber import tlv
from posfw.sim.chip.cryptograms import (
    arpc_1,
    common_session_key,
    mac,
    master_key,
    script_mac,
    unionpay_session_key,
)
from posfw.sim.chip.profile import ISSUER_KEY

__all__ = ["Issuer", "Script", "read_objects"]

FIELDS = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36)


def read_objects(data: bytes) -> dict[int, bytes]:
    """Return the primitive objects of DE55 by tag, by a reader apart from the terminal's."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        size = 2 if data[at] & 0x1F == 0x1F else 1
        tag = int.from_bytes(data[at : at + size], "big")
        at += size
        length = data[at]
        found[tag] = data[at + 1 : at + 1 + length]
        at += 1 + length
    return found


@dataclass(frozen=True, slots=True)
class Script:
    """One script: tag 71 or 72, and commands as (CLA INS P1 P2, data) that get their MAC here."""

    tag: int
    commands: Sequence[tuple[bytes, bytes]]
    identifier: bytes = b"\x00\x00\x00\x01"


UNBLOCK = (bytes.fromhex("84240000"), b"")
BLOCK = (bytes.fromhex("841E0000"), b"")


@dataclass(slots=True)
class Issuer:
    """One issuing bank.

    Attributes:
        key: issuer master key.
        spoil: answer with an ARPC that is wrong.
        silent: answer without tag 91.
        checked: how many cryptograms were right; wrong: how many were not.
    """

    key: bytes = field(default=ISSUER_KEY, repr=False)
    spoil: bool = False
    silent: bool = False
    checked: int = 0
    wrong: int = 0

    def genuine(self, data: bytes, pan: str, sequence: int) -> bool:
        """Say whether the cryptogram in DE55 data is the card's (Book 2, 8.1)."""
        objects = read_objects(data)
        if any(tag not in objects for tag in (*FIELDS, 0x9F10, 0x9F26, 0x84)):
            self.wrong += 1
            return False
        session = self._session_key(objects, pan, sequence)
        covered = b"".join(objects[tag] for tag in FIELDS) + objects[0x9F10][3:]
        visa = objects[0x84][:5] == bytes.fromhex("A000000003")
        right = mac(session, covered, pad_one=not visa) == objects[0x9F26]
        self.checked += right
        self.wrong += not right
        return right

    def answer(
        self,
        data: bytes,
        pan: str,
        sequence: int,
        *,
        code: str = "00",
        scripts: Sequence[Script] = (),
    ) -> bytes:
        """Return tags 91, 71 and 72 for a card whose ARQC came in `data`."""
        objects = read_objects(data)
        if any(tag not in objects for tag in (0x9F26, 0x9F36, 0x84)):
            return b""
        arqc, atc = objects[0x9F26], objects[0x9F36]
        response = code.encode()
        cryptogram = arpc_1(self._session_key(objects, pan, sequence), arqc, response)
        if self.spoil:
            cryptogram = bytes(8)
        found = b"" if self.silent else tlv(0x91, cryptogram + response)
        key = master_key(self.key, pan, sequence)
        for script in scripts:
            commands = (
                tlv(0x86, self._command(key, head, body, atc, arqc))
                for head, body in script.commands
            )
            found += tlv(script.tag, tlv(0x9F18, script.identifier), *commands)
        return found

    def _command(self, key: bytes, head: bytes, body: bytes, atc: bytes, arqc: bytes) -> bytes:
        head += bytes((len(body) + 8,))
        return head + body + script_mac(key, head, atc, arqc, body)

    def _session_key(self, objects: dict[int, bytes], pan: str, sequence: int) -> bytes:
        key, atc = master_key(self.key, pan, sequence), objects[0x9F36]
        rid = objects[0x84][:5].hex().upper()
        if rid == "A000000333":
            return unionpay_session_key(key, atc)
        return key if rid == "A000000003" else common_session_key(key, atc + bytes(6))
