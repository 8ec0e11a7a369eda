"""Bytes on the line: a sale and its answer against a UnionPay-style ISO 8583 message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bench.claim import Claim
from bench.drain import CARD, ELEMENT, MERCHANT, TERMINAL
from posfw.codec.frame import frame
from posfw.uplink import requests
from posfw.uplink.messages import Field, Message
from posfw.uplink.session import open_request, protect_answer, protect_request, seal_card
from posfw.values.card import CardRead, EntryMode, Secret
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind

ANCHOR = bytes(8) + (20_000).to_bytes(2, "big")  # entry 20,000 of the terminal's journal
ISO_ANCHOR = bytes(8 + 4)  # fields of ISO 8583 have a fixed form
PIN_BLOCK = bytes(16)  # ISO 9564-1 format 4: AES needs 16 bytes in either message
PIN_KSN = bytes(12)  # of the PIN pad's own key: whoever decrypts the block must be told
# A contactless or chip sale's DE55: the tags of the payments page, section 3.1, usual lengths.
DE55 = bytes.fromhex(
    "9F2608" + "00" * 8 + "9F2701" + "80" + "9F1013" + "00" * 19 + "9F3704" + "00" * 4
    + "9F3602" + "0001" + "9505" + "00" * 5 + "9A03" + "261124" + "9C01" + "00"
    + "9F0206" + "000000001200" + "5F2A02" + "0156" + "8202" + "7C00" + "9F1A02" + "0156"
    + "9F0306" + "00" * 6 + "9F3303" + "E0F0C8" + "9F3403" + "420300" + "9F3501" + "22"
    + "9F1E08" + "00" * 8 + "8408" + "A000000333010101" + "9F0902" + "0020" + "9F4104" + "00000007"
)  # fmt: skip


def _llvar(digits: str) -> bytes:
    return bytes.fromhex(f"{len(digits):02d}" + digits.ljust(len(digits) + len(digits) % 2, "0"))


def _lllvar(data: bytes) -> bytes:
    return bytes.fromhex(f"{len(data):04d}") + data


HEAD = bytes(2) + bytes(5) + bytes(6) + bytes(2) + bytes(8)  # length, TPDU, header, MTI, bitmap


def _iso_request() -> bytes:
    """0200: DE 2 3 4 11 14 22 23 25 26 35 41 42 49 52 53 55 60-64 (UnionPay, 消费)."""
    track = CARD.track2.reveal().decode().replace("=", "D")
    track += "F" * (-len(track) % 32)  # AES-encrypted whole: blocks of 16 bytes
    key_serial = ELEMENT.initial_key_id + bytes(4)  # whoever uses DUKPT must send it
    parts = [
        HEAD, _llvar("6250941006528599"), bytes(3), bytes(6), bytes(3), bytes(2), bytes(2),
        bytes(2), bytes(1), bytes(1), b"\x48" + bytes.fromhex(track), TERMINAL.encode(),
        MERCHANT.encode(), b"156", PIN_BLOCK, bytes(8), _lllvar(DE55), _lllvar(bytes(6)),
        _lllvar(PIN_KSN), _lllvar(ISO_ANCHOR), _lllvar(b"01 "), _lllvar(key_serial), bytes(8),
    ]  # fmt: skip
    return b"".join(parts)


def _iso_answer() -> bytes:
    """0210: DE 2 3 4 11 12 13 14 15 25 32 37 38 39 41 42 44 49 53 60 63 64."""
    parts = [
        HEAD, _llvar("6250941006528599"), bytes(3), bytes(6), bytes(3), bytes(3), bytes(2),
        bytes(2), bytes(2), bytes(1), _llvar("00010000"), b"000000000001", b"007919", b"00",
        TERMINAL.encode(), MERCHANT.encode(), b"\x22" + b"01020000   01030000   ", b"156",
        bytes(8), _lllvar(bytes(6)), _lllvar(b"CUP"), bytes(8),
    ]  # fmt: skip
    return b"".join(parts)


def _ours() -> tuple[int, int]:
    card = CardRead(
        CARD.number,
        EntryMode.CHIP,
        CARD.expiry,
        CARD.service_code,
        track2=CARD.track2,
        emv=Secret(DE55),
        sequence=1,
        pin_block=Secret(PIN_BLOCK + PIN_KSN),
    )
    at = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    intent = Intent(Kind.SALE, Money(1200), EntryMode.CHIP, "", bytes(16), "01", at)
    begun = Begun(Key(TERMINAL, 123, 4567), 4567, intent)
    sealed = seal_card(card, begun, ELEMENT, bytes(12))
    request = requests.authorise(begun, MERCHANT, card, sealed)
    request = replace(request, fields={**request.fields, Field.ANCHOR: ANCHOR})
    protected = protect_request(request, ELEMENT, begun.ksn_counter)
    opened = open_request(protected.data, lambda _: ELEMENT)
    fields: dict[Field, str] = {
        Field.RESPONSE_CODE: "00",
        Field.AUTH_CODE: "007919",
        Field.REFERENCE: "000000000001",
        Field.HOST_TIME: "20261124093000",
    }
    answer = Message(request.type, TERMINAL, MERCHANT, request.batch, request.stan, fields)
    return len(frame(protected.data)), len(frame(protect_answer(answer, opened)))


def wire_bytes() -> Claim:
    """Request and answer of a chip sale with PIN, framing and protection included."""
    request, answer = _ours()
    iso = len(_iso_request()), len(_iso_answer())
    return Claim(
        request + answer,
        sum(iso),
        "bytes",
        1.0,
        f"chip sale with track, DE55, PIN block, journal's head: {request} + {answer}; other: ISO"
        " 8583 with TPDU, header, encrypted track, both key serial numbers, 8-byte MAC and the"
        f" same head: {iso[0]} + {iso[1]} (without a head {sum(iso) - len(_lllvar(ISO_ANCHOR))})",
    )


CLAIMS = {"wire_bytes": wire_bytes}
