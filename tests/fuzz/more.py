"""Further parsers: files that people bring, what devices stream, rows and records read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from posfw.activate import bundle
from posfw.activate import profile as acquirer_profile
from posfw.board.inputs import EVENT, KeyParser
from posfw.card import abecs, scanner, vivotech2
from posfw.crypto.sign1 import PemSigner, parse_sign1, public_key
from posfw.emv import dol, loading
from posfw.goods import catalogue
from posfw.keys.block import KeyBlock, sealed
from posfw.printer.fence import Listener
from posfw.values.errors import ConfigError, KeyStoreError
from posfw.values.money import parse_amount
from tests.fuzz.parser import Parser

__all__ = ["MORE"]

ROOT = Path(__file__).parents[2]
_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32)
SIGNER = PemSigner(
    _KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
)
ACTIVATION = bundle.seal_request(
    bundle.Request("12345678", "8" * 15, "S1", "host", {"posfw": "1"}, {"card": True}, {"a": "b"},
                   b"n" * 16, "20261124120000", 0, SIGNER.public),
    SIGNER,
)  # fmt: skip
BANKS = bundle.seal_answer(
    bundle.Answer(b"d" * 32, "12345678", "8" * 15, "S1", "20261124", 0, {}), SIGNER, b"bank"
)
BLOCK = sealed(b"T" * 32, initial_key=bytes(32), initial_key_id=bytes(8), secret=bytes(32))
CSV = b"gtin,name,price,description,quantity\r\n6901234567892,Tea,12.50,green,3\r\n"
TOML = b'[[goods]]\ngtin = "6901234567892"\nname = "Tea"\nprice = "12.50"\n'
EMV = b"""[terminal]
country = 156
capabilities = "E0F8C8"
terminal = "12345678"
[[aid]]
aid = "A000000333010101"
tac_denial = "0010000000"
tac_online = "D84004F800"
tac_default = "D84000A800"
floor_minor = 20000
[[revoked]]
rid = "A000000333"
index = 2
serial = "000001"
"""


def _fed(make: Callable[[], object], data: bytes) -> object:
    """Feed in two pieces, the border given by the first byte."""
    parser, cut = make(), data[0] if data else 0
    feed: Callable[[bytes], object] = parser.feed  # type: ignore[attr-defined]  # every one has it
    return [feed(data[1:cut]), feed(data[max(1, cut) :])]


def _text(read: Callable[[str], object], data: bytes) -> object:
    return read(data.decode("utf-8", "replace"))


MORE: Mapping[str, Parser] = {
    "sign1": Parser(parse_sign1, [ACTIVATION, BANKS]),
    "activation": Parser(bundle.open_request, [ACTIVATION, BANKS]),
    "bank_answer": Parser(
        partial(bundle.open_answer, key=public_key(SIGNER.public)), [BANKS, ACTIVATION]
    ),
    "key_block": Parser(partial(_text, KeyBlock.decode), [BLOCK.encode(), b"{}"], KeyStoreError),
    "goods_csv": Parser(partial(_text, partial(catalogue.read_csv, source="g.csv")), [CSV]),
    "goods_toml": Parser(partial(_text, partial(catalogue.read_toml, source="g.toml")), [TOML]),
    "acquirer_profile": Parser(
        partial(_text, partial(acquirer_profile.parse, source="a.toml", profile_id="lakala")),
        [(ROOT / "src/posfw/acquirers/lakala.toml").read_bytes()],
        ConfigError,
    ),
    "emv_parameters": Parser(
        partial(_text, partial(loading.from_toml, source="emv.toml")),
        [EMV],
        ConfigError,
    ),
    "dol": Parser(dol.parse, [bytes.fromhex("9F02069F03069F1A0295055F2A029A039C019F3704")]),
    "amount": Parser(partial(_text, parse_amount), [b"12.50", b"0.01", b"1e3"]),
    "keypad": Parser(
        partial(_fed, KeyParser), [b"\x05" + EVENT.pack(0, 0, 1, 2, 1) + EVENT.pack(0, 0, 0, 0, 0)]
    ),
    "abecs_stream": Parser(partial(_fed, abecs.Deframer), [b"\x05" + abecs.packet(b"OPN000")]),
    "vivotech2_stream": Parser(
        partial(_fed, vivotech2.Deframer), [b"\x05" + vivotech2.command(0x18, 0x01)]
    ),
    "scanner_stream": Parser(partial(_fed, scanner.ScanParser), [b"\x056901234567892\r\n"]),
    "printer_stream": Parser(
        partial(_fed, partial(Listener, "epson")), [b"\x03\x10\x00\x00\x00\x12"]
    ),
}
