"""Commands and results of NEO 2 readers: every way a card comes in, and every doubt refused."""

from __future__ import annotations

from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card import codes, neo
from posfw.card.magstripe import encode_line
from posfw.card.neo_result import Way, burst_read, msr_line, result, way_of
from posfw.card.vivotech2 import Burst, Reply
from posfw.codec.tlv import Node, encode, parse
from posfw.values.card import CardRead, EntryMode
from posfw.values.errors import CodecError, DeviceError, MisuseError
from posfw.values.money import Money

PAN = "6212345678901232"
TRACK2 = f"{PAN}=3012220123"
AMOUNT = Money(1234)
CARD = {
    0x57: bytes.fromhex(TRACK2.replace("=", "D") + "0"),
    0x5A: bytes.fromhex(PAN),
    0x5F34: b"\x01",
    0x5F20: b"TEST/CARD ",
    0x9F26: bytes(8),
    0x9F27: b"\x80",
    0x9F10: bytes(7),
    0x9F37: bytes(4),
    0x9F36: b"\x00\x01",
    0x95: bytes(5),
    0x9F02: bytes.fromhex("000000001234"),
    0x82: b"\x7c\x00",
    0x9F34: b"\x02\x03\x00",
    0x9F41: bytes.fromhex("00000007"),
}
CONTACT, TAP, TAP_STRIPE, SWIPE = b"\x00", b"\x01", b"\x11", b"\x08"


def answer(
    status: int, attribution: bytes, changes: dict[int, bytes | None] | None = None
) -> object:
    said = CARD | (changes or {})
    nodes = [Node(tag, value) for tag, value in said.items() if value is not None]
    return result(Reply(2, status, attribution + encode(nodes)), asked=AMOUNT, counter=7)


def test_plain_commands_are_those_of_the_guide() -> None:
    assert neo.ping().hex().upper() == "5669564F7465636832001801" + "0000B3CD"
    assert neo.get_configuration().hex().upper() == "5669564F7465636832000302" + "00005B91"


def test_an_activation_says_amount_currency_and_counter() -> None:
    frame = neo.activate(AMOUNT, wait_s=30, counter=7)
    assert frame[10:12] == b"\x02\x40"
    assert frame[14] == 30
    said = {node.tag: node.value.hex() for node in parse(frame[15:-2])}
    assert said == {0x9F02: "000000001234", 0x9C: "00", 0x5F2A: "0156", 0x9F41: "00000007"}


@pytest.mark.parametrize(("wait_s", "counter"), [(0, 1), (256, 1), (30, -1), (30, 10**8)])
def test_what_cannot_be_asked_is_misuse(wait_s: int, counter: int) -> None:
    with pytest.raises(MisuseError):
        neo.activate(AMOUNT, wait_s=wait_s, counter=counter)


def test_lamps_and_buzzer_are_one_command() -> None:
    frame = neo.interface(neo.Display.WAIT, neo.Beep.DOUBLE, neo.Lamp(2, on=True))
    assert frame[10:18] == bytes.fromhex("0102 0004 0B02 0201".replace(" ", ""))


def test_a_refused_command_is_a_device_error() -> None:
    assert neo.text_of(Reply(0x29, 0, b"NEO 2.0 v1.00\0")) == "NEO 2.0 v1.00"
    for read in (neo.text_of, neo.configuration):
        with pytest.raises(DeviceError):
            read(Reply(0x29, 5, b""))
    with pytest.raises(DeviceError):
        neo.configuration(Reply(0x03, 0, b"\x9f"))


@pytest.mark.parametrize(
    ("attribution", "way"),
    [(0x00, Way.CONTACT), (0x01, Way.CONTACTLESS), (0x11, Way.CONTACTLESS_STRIPE),
     (0x08, Way.STRIPE), (0x09, Way.STRIPE)],
)  # fmt: skip
def test_bits_4_3_and_0_say_how_it_came_in(attribution: int, way: Way) -> None:
    assert way_of(attribution) is way
    assert way_of(attribution | 0x06) is way  # the encryption mode is another matter


@pytest.mark.parametrize(
    ("attribution", "mode"), [(CONTACT, EntryMode.CHIP), (TAP, EntryMode.CONTACTLESS)]
)
def test_a_chip_that_wants_the_acquirer_is_a_card(attribution: bytes, mode: EntryMode) -> None:
    card = answer(neo.Status.ONLINE, attribution)
    assert isinstance(card, CardRead)
    assert (card.number.reveal(), card.entry_mode) == (PAN, mode)
    assert (card.expiry, card.service_code, card.sequence) == ("3012", "220", 1)
    assert card.track2.reveal().decode() == TRACK2 + "0"
    assert card.holder == "TEST/CARD"
    assert not card.approved_offline
    assert not card.signature  # online PIN was the method
    tags = {node.tag for node in parse(card.emv.reveal())}
    assert {0x9F26, 0x9F10, 0x9F02} <= tags
    assert not tags & {0x57, 0x5A, 0x5F20}


def test_a_certificate_is_an_offline_approval_only_if_the_reader_says_so_too() -> None:
    card = answer(neo.Status.OK, TAP, {0x9F27: b"\x40"})
    assert isinstance(card, CardRead)
    assert card.approved_offline
    assert answer(neo.Status.ONLINE, TAP, {0x9F27: b"\x40"}) == codes.MISMATCH


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({0x9F27: b"\x00"}, codes.CARD_REFUSED),
        ({0x9F27: b""}, codes.CARD_REFUSED),
        ({0x9F27: b"\xc0"}, codes.MISMATCH),
        ({0x9F02: bytes.fromhex("000000001235")}, codes.MISMATCH),
        ({0x9F02: None}, codes.MISMATCH),
        ({0x9F41: bytes.fromhex("00000006")}, codes.MISMATCH),  # the activation before
        ({0x9F26: None}, codes.MISMATCH),
        ({0x5A: bytes.fromhex("6212345678901240")}, codes.MISMATCH),
        ({0x57: None}, codes.UNUSABLE),
        ({0x57: b"\xff"}, codes.UNUSABLE),
        ({0x57: bytes.fromhex(PAN + "D3013220")}, codes.UNUSABLE),  # no such month
    ],
)
@pytest.mark.parametrize("attribution", [CONTACT, TAP])
def test_a_result_in_doubt_is_no_card(
    attribution: bytes, changes: dict[int, bytes | None], code: str
) -> None:
    assert answer(neo.Status.ONLINE, attribution, changes) == code


def test_one_tag_with_two_values_is_no_card() -> None:
    said = TAP + encode([Node(t, v) for t, v in CARD.items()]) + encode([Node(0x9F36, b"\0\2")])
    assert result(Reply(2, 0x23, said), asked=AMOUNT, counter=7) == codes.MISMATCH


def test_no_signature_is_waived_without_a_method_in_the_result() -> None:
    for method, signature in ((None, True), (b"\x1e\x03\x00", True), (b"\x1f\x03\x02", False)):
        card = answer(neo.Status.ONLINE, TAP, {0x9F34: method})
        assert isinstance(card, CardRead)
        assert card.signature is signature


@pytest.mark.parametrize("bit", [0x40, 0x80, 0xC0])
def test_enciphered_data_is_refused(bit: int) -> None:
    assert answer(neo.Status.ONLINE, bytes((bit | 1,))) == codes.ENCRYPTED


def test_a_contactless_stripe_pays_nothing() -> None:
    assert answer(neo.Status.ONLINE, TAP_STRIPE) == codes.OTHER_WAY


def enhanced(tracks: tuple[bytes, bytes, bytes], *, masked: int = 0x87, secret: int = 0) -> bytes:
    """ID TECH's enhanced format: fields of the SecureMag manual, p43."""
    card = bytes((0x80, 0x3F, *map(len, tracks), masked, secret)) + b"".join(tracks)
    card += b"0000000001"
    check = bytes((reduce(xor, card), sum(card) & 0xFF))
    return b"\x02" + len(card).to_bytes(2, "little") + card + check + b"\x03"


SWIPED = enhanced((f"%B{PAN}^TEST/CARD^3012120?".encode(), f";{TRACK2}?".encode(), b""))


def swiped(msr: bytes) -> object:
    data = SWIPE + encode([Node(0xDFEE23, msr), Node(0x9F39, b"\x90")])
    return result(Reply(2, 0, data), asked=AMOUNT, counter=7)


def test_a_swipe_through_the_reader_is_a_swipe() -> None:
    card = swiped(enhanced((b"", f";{TRACK2}?".encode(), b"")))
    assert isinstance(card, CardRead)
    assert (card.number.reveal(), card.entry_mode) == (PAN, EntryMode.SWIPED)
    assert msr_line(SWIPED) == encode_line(track1=f"B{PAN}^TEST/CARD^3012120", track2=TRACK2)


@pytest.mark.parametrize(
    "msr",
    [b"", SWIPED[:-1], SWIPED[:-2] + b"\0\x03", SWIPED[:5], b"\x03" + SWIPED[1:],
     enhanced((b"", b";6212********1232=3012?*", b"")),
     enhanced((b"", f";{TRACK2}?".encode(), b""), secret=0x02)],
)  # fmt: skip
def test_a_masked_or_broken_stripe_is_no_card(msr: bytes) -> None:
    assert swiped(msr) == codes.UNUSABLE


@pytest.mark.parametrize(
    ("attribution", "error", "code"),
    [
        (TAP, 0x02, codes.OTHER_WAY),
        (TAP, 0x21, codes.SEVERAL_CARDS),
        (TAP, 0x30, codes.TRY_AGAIN),
        (TAP, 0x25, codes.CARD_REFUSED),
        (TAP, 0x99, codes.CARD_REFUSED),
        (CONTACT, 0x30, codes.CHIP_MUTE),
        (CONTACT, 0x25, codes.CARD_REFUSED),
    ],
)
def test_a_failure_says_what_to_do(attribution: bytes, error: int, code: str) -> None:
    table = attribution + bytes.fromhex("FFEE1F04") + bytes((error, 0x69, 0x85, 0x03))
    assert result(Reply(2, neo.Status.FAILED, table), asked=AMOUNT, counter=7) == code
    if attribution == TAP:  # 02-01 style: the table alone
        assert result(Reply(2, 0x0A, bytes((error, 0, 0, 0))), asked=AMOUNT, counter=7) == code


@pytest.mark.parametrize(
    ("status", "code"),
    [(neo.Status.TIMEOUT, codes.NO_CARD), (neo.Status.NOT_ALLOWED, codes.READER_REFUSED),
     (neo.Status.OK, codes.MISMATCH), (neo.Status.FAILED, codes.TRY_AGAIN)],
)  # fmt: skip
def test_a_reply_without_data_is_a_code(status: int, code: str) -> None:
    assert result(Reply(2, status, b""), asked=AMOUNT, counter=7) == code


def test_the_guides_burst_is_a_swiped_card() -> None:
    tracks = b"%B6279257749132343^TEST CARD/VIVOTECH^10128130072104350000?"
    card = burst_read(Burst(0, 0x0A, tracks + b";6279257749132343=10128130072104350000?"))
    assert isinstance(card, CardRead)
    assert card.number.masked == "627925******2343"
    assert burst_read(Burst(0, 0x0A, b"%E?")) == codes.BAD_TRACK


@given(st.integers(0, 255), st.binary(max_size=300))
def test_any_reply_is_a_code_unless_it_is_a_whole_card(status: int, data: bytes) -> None:
    for attribution in (b"", CONTACT, TAP, SWIPE):
        found = result(Reply(2, status, attribution + data), asked=AMOUNT, counter=7)
        assert isinstance(found, str)
        assert found.startswith("CRD-")


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_flipped_byte_turns_a_refusal_into_an_approval(at: int, flip: int) -> None:
    said = bytearray(TAP + encode([Node(tag, value) for tag, value in CARD.items()]))
    said[at % len(said)] ^= flip
    found = result(Reply(2, neo.Status.ONLINE, bytes(said)), asked=AMOUNT, counter=7)
    assert not (isinstance(found, CardRead) and found.approved_offline)


def test_a_wrong_format_is_one_error() -> None:
    with pytest.raises(CodecError):
        msr_line(b"\x02\x00\x00\x00\x00\x03")
