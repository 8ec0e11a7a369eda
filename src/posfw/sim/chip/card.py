"""A simulated chip card: C-APDU in, R-APDU out, with the state a real card keeps.

It behaves as EMV Book 1 chapter 11 and Book 3 chapter 6 ask of a card. `protocol=0` makes it
speak as T=0 cards do: 61xx for answers to commands with data, 6Cxx for a wrong Le.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from posfw.sim.chip import pki
from posfw.sim.chip.ber import split_dol, tlv
from posfw.sim.chip.cryptograms import (
    arpc_1,
    common_session_key,
    mac,
    master_key,
    script_mac,
    unionpay_session_key,
)
from posfw.sim.chip.profile import ISSUER_KEY, Profile, personalise

__all__ = ["ATR", "ChipCard"]

_HISTORICAL = b"POSFW-TEST001"
ATR = bytes((0x3B, 0x60 | len(_HISTORICAL), 0, 0)) + _HISTORICAL  # T=0, ISO/IEC 7816-3
PSE = b"1PAY.SYS.DDF01"
OK = b"\x90\x00"
NOT_SATISFIED = b"\x69\x85"
NOT_FOUND = b"\x6a\x82"
AAC, TC, ARQC = 0x00, 0x40, 0x80
APPROVING = (b"00", b"10", b"11", b"Y3")


def _sw(value: int) -> bytes:
    return value.to_bytes(2, "big")


@dataclass(slots=True)
class ChipCard:
    """One card; insert it anew with `reset`.

    Attributes:
        chance: gives the card's own random bytes.
        blocked: the application answers 6283 (after a script).
        card_blocked: SELECT answers 6A81.
        signed: how often the card used its private key.
        log: command bytes as they came.
    """

    profile: Profile
    chance: Callable[[int], bytes]
    protocol: int = 1
    blocked: bool = False
    card_blocked: bool = False
    tries: int = -1
    atc: int = -1
    last_online_atc: int = -1
    signed: int = 0
    unlocked: bool = False
    log: list[bytes] = field(default_factory=list, repr=False)
    _records: dict[tuple[int, int], bytes] = field(init=False, repr=False)
    _afl: bytes = field(init=False)
    _keys: pki.CardKeys | None = field(init=False, repr=False)
    _selected: str = ""
    _occurrence: int = 0
    _pending: bytes = field(default=b"", repr=False)
    _challenge: bytes = b""
    _exchanged: bytes = field(default=b"", repr=False)
    _arqc: bytes = b""
    _stage: int = 0
    _issuer_ok: bool = False
    _pin_ok: bool = False
    _last_command: bytes = b""

    def __post_init__(self) -> None:
        made = personalise(self.profile)
        self._records, self._afl, self._keys = made.records, made.afl, made.keys
        self.tries = self.profile.tries if self.tries < 0 else self.tries
        self.atc = self.profile.atc if self.atc < 0 else self.atc
        if self.last_online_atc < 0:
            self.last_online_atc = self.profile.last_online_atc

    def reset(self) -> None:
        """Forget what a power cut takes."""
        self._selected, self._pending, self._challenge, self._exchanged = "", b"", b"", b""
        self._stage, self._issuer_ok, self._pin_ok, self._arqc = 0, False, False, b""

    def transmit(self, command: bytes) -> bytes:
        """Answer one command."""
        self.log.append(command)
        if len(command) < 4:
            return _sw(0x6700)
        if command[1] == 0xC0:
            return self._get_response(command)
        answer = self._dispatch(command)
        if self.protocol == 1 or len(answer) == 2:
            return answer
        if len(command) > 5:
            self._pending = answer[:-2]
            return bytes((0x61, len(self._pending) & 0xFF))
        size = len(answer) - 2
        if command[4] != size & 0xFF:
            self.atc -= command[1] == 0xAE
            return bytes((0x6C, size & 0xFF))
        return answer

    def _get_response(self, command: bytes) -> bytes:
        data, self._pending = self._pending, b""
        return data[: command[4] or 256] + OK if data else NOT_SATISFIED

    def _dispatch(self, command: bytes) -> bytes:
        data = command[5 : 5 + command[4]] if len(command) > 5 else b""
        handlers: dict[int, Callable[[bytes, bytes], bytes]] = {
            0xA4: self._select,
            0xB2: self._read_record,
            0xA8: self._processing_options,
            0xCA: self._get_data,
            0x88: self._internal_authenticate,
            0x84: self._get_challenge,
            0x20: self._verify,
            0x82: self._external_authenticate,
            0xAE: self._generate_ac,
            0x1E: self._script,
            0x24: self._script,
            0xDA: self._script,
        }
        handler = handlers.get(command[1])
        return handler(command, data) if handler else _sw(0x6D00)

    # --- application selection ----------------------------------------------------------------

    @property
    def _names(self) -> tuple[tuple[bytes, str, int], ...]:
        profile = self.profile
        return ((profile.aid, profile.label, profile.priority), *profile.applications)

    def _select(self, command: bytes, name: bytes) -> bytes:
        if self.card_blocked:
            return _sw(0x6A81)
        if name == PSE:
            if not self.profile.directory:
                return NOT_FOUND
            self._selected = "pse"
            return tlv(0x6F, tlv(0x84, PSE), tlv(0xA5, tlv(0x88, b"\x01"))) + OK
        fitting = [each for each in self._names if each[0].startswith(name)]
        self._occurrence = self._occurrence + 1 if command[3] & 0x02 else 0
        fitting = fitting[self._occurrence :]
        if not fitting:
            return NOT_FOUND
        aid, label, priority = fitting[0]
        self._selected, self._stage = "app", 0
        own = tlv(0x50, label.encode()) + tlv(0x87, bytes((priority,)))
        if self.profile.pdol:
            own += tlv(0x9F38, bytes.fromhex(self.profile.pdol))
        fci = tlv(0x6F, tlv(0x84, aid), tlv(0xA5, own, tlv(0x5F2D, b"zhen")))
        return fci + (_sw(0x6283) if self.blocked else OK)

    def _read_record(self, command: bytes, _: bytes) -> bytes:
        number, sfi = command[2], command[3] >> 3
        if self._selected == "pse" and (sfi, number) == (1, 1):
            entries = (
                tlv(0x61, tlv(0x4F, aid), tlv(0x50, label.encode()), tlv(0x87, bytes((rank,))))
                for aid, label, rank in self._names
            )
            return tlv(0x70, *entries) + OK
        if self._selected == "app" and self._stage >= 1 and (sfi, number) in self._records:
            return self._records[sfi, number] + OK
        return _sw(0x6A83)

    # --- processing ---------------------------------------------------------------------------

    def _processing_options(self, _: bytes, data: bytes) -> bytes:
        if self._selected != "app" or self.blocked:
            return NOT_SATISFIED
        if data[:1] != b"\x83":
            return _sw(0x6A80)
        values = data[3:] if data[1:2] == b"\x81" else data[2:]
        asked = split_dol(bytes.fromhex(self.profile.pdol), values)
        if sum(map(len, asked.values())) != len(values):
            return _sw(0x6700)
        if self._stage == 0:
            self.atc += 1
        self._stage, self._exchanged, self._issuer_ok = 1, values, False
        aip, afl = self.profile.aip, self._afl
        if self.profile.answer_format == 1:
            return tlv(0x80, aip + afl) + OK
        return tlv(0x77, tlv(0x82, aip), tlv(0x94, afl)) + OK

    def _get_data(self, command: bytes, _: bytes) -> bytes:
        tag = command[2] << 8 | command[3]
        values = {
            0x9F17: bytes((self.tries,)),
            0x9F36: self.atc.to_bytes(2, "big"),
            0x9F13: self.last_online_atc.to_bytes(2, "big"),
        }
        return tlv(tag, values[tag]) + OK if tag in values else _sw(0x6A88)

    def _internal_authenticate(self, _: bytes, data: bytes) -> bytes:
        if self._keys is None or self._stage < 1:
            return NOT_SATISFIED
        self.signed += 1
        number = b"\x08" + self.chance(8)
        body = b"\x01" + bytes((len(number),)) + number
        signature = pki.sign(self._keys.icc, 0x05, body, data)
        if self.profile.answer_format == 1:
            return tlv(0x80, signature) + OK
        return tlv(0x77, tlv(0x9F4B, signature)) + OK

    # --- cardholder ---------------------------------------------------------------------------

    def _get_challenge(self, _: bytes, __: bytes) -> bytes:
        self._challenge = self.chance(8)
        return self._challenge + OK

    def _verify(self, command: bytes, data: bytes) -> bytes:
        if not self.tries:
            return _sw(0x6983)
        block = self._deciphered(data) if command[3] == 0x88 else data
        digits = block.hex().upper()
        entered = digits[2 : 2 + int(digits[1], 16)] if digits[:1] == "2" else ""
        if entered and entered == self.profile.pin:
            self.tries, self._pin_ok = self.profile.tries, True
            return OK
        self.tries -= 1
        return _sw(0x63C0 | self.tries)

    def _deciphered(self, data: bytes) -> bytes:
        """Book 2, 7.2: 7F, PIN block, challenge, padding."""
        challenge, self._challenge = self._challenge, b""
        if self._keys is None or len(data) != self._keys.pin.size or not challenge:
            return b""
        self.signed += 1
        opened = self._keys.pin.apply(data)
        return opened[1:9] if opened[0] == 0x7F and opened[9:17] == challenge else b""

    # --- cryptograms --------------------------------------------------------------------------

    def _session_key(self) -> bytes:
        key = master_key(ISSUER_KEY, self.profile.pan, self.profile.sequence)
        atc = self.atc.to_bytes(2, "big")
        if self.profile.cryptogram == "unionpay":
            return unionpay_session_key(key, atc)
        return (
            key if self.profile.cryptogram == "visa10" else common_session_key(key, atc + bytes(6))
        )

    @property
    def _issuer_application_data(self) -> bytes:
        results = 0x80 if self._issuer_ok else 0
        results |= 0x04 if self._pin_ok else 0
        return bytes((6, 1, 0x0A, 3, results, self._stage, 0))

    def _external_authenticate(self, _: bytes, data: bytes) -> bytes:
        if self._stage != 2 or self._issuer_ok:
            return NOT_SATISFIED
        self._issuer_ok = self._authentic(data)
        return OK if self._issuer_ok else _sw(0x6300)

    def _authentic(self, data: bytes) -> bool:
        return data[:8] == arpc_1(self._session_key(), self._arqc, data[8:10])

    def _generate_ac(self, command: bytes, data: bytes) -> bytes:
        if self._stage not in (1, 2):
            return NOT_SATISFIED
        second = self._stage == 2
        dol = self.profile.cdol2 if second else self.profile.cdol1
        asked = split_dol(dol, data)
        if sum(map(len, asked.values())) != len(data):
            return _sw(0x6700)
        kind = self._decide(command[2] & 0xC0, asked, second=second)
        self._stage = 2 if kind == ARQC else 3
        if second and kind == TC and asked.get(0x8A) == b"00":
            self.last_online_atc = self.atc
        self._exchanged += data
        return self._answer(kind, asked, cda=bool(command[2] & 0x10) and kind != AAC)

    def _decide(self, wanted: int, asked: dict[int, bytes], *, second: bool) -> int:
        """Card action analysis: never more than was asked for."""
        if wanted == AAC or self.profile.willing == "decline":
            return AAC
        if not second:
            return ARQC if self.profile.willing == "online" else wanted
        if self.profile.issuer_authentication == "second" and asked.get(0x8A) == b"00":
            self._issuer_ok = self._authentic(asked.get(0x91, b""))
        approved = asked.get(0x8A) in APPROVING
        online = asked.get(0x8A) not in (b"Y3", b"Z3")
        needs = self.profile.issuer_authentication != "none" and online
        if self.profile.willing == "overrule":
            return AAC
        return TC if approved and (self._issuer_ok or not needs) else AAC

    def _answer(self, kind: int, asked: dict[int, bytes], *, cda: bool) -> bytes:
        issuer_data = self._issuer_application_data
        atc = self.atc.to_bytes(2, "big")
        fields = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)
        covered = b"".join(asked[tag] for tag in fields)
        covered += self.profile.aip + atc + issuer_data[3:]
        pad_one = self.profile.cryptogram != "visa10"
        cryptogram = mac(self._session_key(), covered, pad_one=pad_one)
        if kind == ARQC:
            self._arqc = cryptogram
        if cda and self._keys is not None:
            return self._signed_answer(kind, cryptogram, asked)
        if self.profile.answer_format == 1:
            return tlv(0x80, bytes((kind,)) + atc + cryptogram + issuer_data) + OK
        objects = tlv(0x9F27, bytes((kind,))) + tlv(0x9F36, atc) + tlv(0x9F26, cryptogram)
        return tlv(0x77, objects, tlv(0x9F10, issuer_data)) + OK

    def _signed_answer(self, kind: int, cryptogram: bytes, asked: dict[int, bytes]) -> bytes:
        """Book 2, 6.6.1."""
        if self._keys is None:
            return NOT_SATISFIED
        self.signed += 1
        plain = tlv(0x9F27, bytes((kind,))) + tlv(0x9F36, self.atc.to_bytes(2, "big"))
        plain += tlv(0x9F10, self._issuer_application_data)
        digest = hashlib.sha1(self._exchanged + plain, usedforsecurity=False).digest()
        inner = b"\x08" + self.chance(8) + bytes((kind,)) + cryptogram + digest
        body = b"\x01" + bytes((len(inner),)) + inner
        signature = pki.sign(self._keys.icc, 0x05, body, asked[0x9F37])
        return tlv(0x77, plain, tlv(0x9F4B, signature)) + OK

    # --- scripts ------------------------------------------------------------------------------

    def _script(self, command: bytes, data: bytes) -> bytes:
        """APPLICATION BLOCK, PIN CHANGE/UNBLOCK and PUT DATA, each with an 8-byte MAC."""
        if not self._arqc:
            return _sw(0x6988)
        key = master_key(ISSUER_KEY, self.profile.pan, self.profile.sequence)
        atc = self.atc.to_bytes(2, "big")
        expected = script_mac(key, command[:5], atc, self._arqc, data[:-8])
        if len(data) < 8 or data[-8:] != expected:
            return _sw(0x6988)
        if command[1] == 0x1E:
            self.blocked = True
        elif command[1] == 0x24:
            self.tries, self.unlocked = self.profile.tries, True
        return OK
