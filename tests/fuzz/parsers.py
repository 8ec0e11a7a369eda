"""Every parser with examples and the one kind of error that it may raise."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from posfw.app.control import _outcome
from posfw.board.profile import parse
from posfw.board.site import parse_site
from posfw.card import abecs, magstripe, scanner, tracks, vivotech2
from posfw.codec import cbor, tlv
from posfw.codec.frame import Deframer, frame
from posfw.crypto import cose
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.printer import status
from posfw.sim import rig
from posfw.uplink import card_data
from posfw.uplink.messages import Message
from posfw.uplink.session import open_card, open_request
from posfw.values.errors import ConfigError
from posfw.values.identity import Key
from posfw.values.texts import Texts
from tests.fuzz.more import MORE
from tests.fuzz.parser import Parser

__all__ = ["PARSERS", "Parser"]

ROOT = Path(__file__).parents[2]
VECTORS: list[dict[str, Any]] = json.loads((ROOT / "tests/vectors/wire.json").read_text("utf-8"))[
    "vectors"
]
KEY_ID = bytes.fromhex("1234567890123456")
ELEMENT = SoftwareElement(initial_key(bytes(range(0xC0, 0xE0)), KEY_ID), KEY_ID, bytes(32))
REQUEST = Message.decode(bytes.fromhex(VECTORS[0]["body"]))


def _vectors(kind: str, name: str = "bytes") -> list[bytes]:
    return [bytes.fromhex(row[name]) for row in VECTORS if row["kind"] == kind and row[name]]


def _deframe(data: bytes) -> object:
    """Feed in two pieces, the border given by the first byte: whole and cut frames alike."""
    deframer, cut = Deframer(), data[0] if data else 0
    return deframer.feed(data[1:cut]) + deframer.feed(data[max(1, cut) :])


def _lines(data: bytes) -> object:
    parser, cut = magstripe.LineParser(), len(data) // 2
    return [parser.feed(data[:cut]), parser.feed(data[cut:]), parser.expire()]


def _track(read: Callable[[str], object], data: bytes) -> object:
    return read(data.decode("latin-1"))


def _control(data: bytes) -> object:
    """Run the control socket's line to its answer; nothing in it waits."""

    async def handle(verb: str, body: Mapping[str, Any], _: object) -> Mapping[str, Any]:
        return {"verb": verb, "fields": len(body)}

    run = _outcome(data, handle, lambda _: None, Texts())
    try:
        run.send(None)
    except StopIteration as done:
        return json.dumps(done.value)
    raise AssertionError("the line's handler waits for something")


def _board(data: bytes) -> object:
    text = data.decode("utf-8", "replace")
    return parse(text, source="board.toml", board_id="host")


def _site(data: bytes) -> object:
    return parse_site(data.decode("utf-8", "replace"), source="site.toml")


FACTS = {
    "merchant": "8" * 15,
    "terminal": "12345678",
    "port": 1,
    "server_name": "a",
    "folder": "f",
}
SITE = rig.SITE.format(**FACTS).encode()
DEEP = b"a = " + b"[" * 3000
CONTROL = [b'{"do":"sale","amount":"12.50","keyed":{"pan":"1","expiry":"3012"}}', b"[" * 3000,
           b'{"do":1}', b'{"do":"a","b":' + b"9" * 5000 + b"}"]  # fmt: skip
ALL = _vectors("request") + _vectors("answer") + _vectors("card")
BODIES = [bytes.fromhex(row["body"]) for row in VECTORS if row["body"]]

PARSERS: Mapping[str, Parser] = {
    "cbor": Parser(cbor.decode, [*ALL, *BODIES, b"\x81" * 7 + b"\x80", b"\x1b" + b"\xff" * 8]),
    "frame": Parser(_deframe, [b"\x05" + frame(b"x" * 9) + frame(b"y"), b"\x01\xff\xff\xff\xff"]),
    "tlv": Parser(tlv.parse, [bytes.fromhex("9F360200019A03261124"),
                              bytes.fromhex("6F1A840E315041592E5359532E4444463031"
                                            "A5088801025F2D02656E")]),
    "mac0": Parser(cose.parse_mac0, _vectors("request") + _vectors("answer")),
    "encrypt0": Parser(cose.parse_encrypt0, _vectors("card")),
    "request": Parser(lambda data: open_request(data, lambda _: ELEMENT), _vectors("request")),
    "message": Parser(Message.decode, _vectors("request", "body")),
    "answer": Parser(lambda data: Message.decode_answer(data, REQUEST),
                     _vectors("answer", "body")),
    "card": Parser(lambda data: open_card(data, key=Key("T0000001", 3, 7), element=ELEMENT),
                   _vectors("card")),
    "card_data": Parser(card_data.unpack, [
        bytes.fromhex("a2010204556250941006528599d3012201123450"),
        cbor.encode({0: "6250941006528599", 1: 1, 2: "3012"}),
        cbor.encode({1: 5, 4: bytes.fromhex("6250941006528599D30122011234"), 5: b"\x9a", 6: 1})]),
    "track1": Parser(partial(_track, tracks.parse_track1),
                     [b"B6250941006528599^TEST/CARD^3012201123450000"]),
    "track2": Parser(partial(_track, tracks.parse_track2), [b"6250941006528599=30122011234"]),
    "track3": Parser(partial(_track, tracks.parse_track3), [b"016250941006528599==1560"]),
    "magstripe": Parser(_lines, [
        magstripe.encode_line(track2="6250941006528599=30122011234"),
        b"%B6250941006528599^A/B^3012201?;6250941006528599=3012201?\r\n"]),
    "scanner": Parser(scanner.parse_scan, [b"6901234567892", b"6212345678901234567", b"abc"]),
    "vivotech2": Parser(vivotech2.reply, [
        vivotech2.command(0x18, 0x01), b"ViVOtech2\0\x18\0\0\0"]),
    "abecs": Parser(abecs.unpack, [abecs.packet(b"OPN000"), abecs.packet(b"\x13\x16\x17")]),
    "status_epson": Parser(partial(status.decode, "epson"), [
        b"\x12\x12\x12\x12", b"\x14\0\0\x0f"]),
    "status_esc_v": Parser(partial(status.decode, "esc-v"), [b"\x00", b"\x04"]),
    "status_star": Parser(partial(status.decode, "star"), [
        bytes.fromhex("0f0600000000000000")]),
    "board": Parser(_board, [(ROOT / "boards/host/board.toml").read_bytes(), DEEP], ConfigError),
    "site": Parser(_site, [SITE, DEEP], ConfigError),
    "control": Parser(_control, CONTROL),
    **MORE,
}  # fmt: skip
