"""The hand at the virtual reader, judged by a vpcd made of a bare socket."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from posfw.emv.loading import from_plain, from_toml
from posfw.sim.chip.card import ATR
from posfw.sim.chip.drive import parameters
from posfw.sim.chip.hand import ChipHand, prepare, profile_of

NUMBER = "6212345678901265"
SELECT_PSE = bytes.fromhex("00A404000E315041592E5359532E444446303100")

pytestmark = pytest.mark.may_block


@pytest.fixture
def reader() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


def asked(reader: socket.socket, *messages: bytes) -> list[bytes]:
    """Be vpcd for one card: send length and message, read length and answer; b"" is the end."""
    connection, _ = reader.accept()
    connection.settimeout(5)
    answers = []
    with connection, connection.makefile("rb") as stream:
        for message in messages:
            connection.sendall(struct.pack(">H", len(message)) + message)
            head = stream.read(2)
            answers.append(stream.read(struct.unpack(">H", head)[0]) if head else b"gone")
    return answers


def hand_at(reader: socket.socket) -> ChipHand:
    return ChipHand(reader.getsockname()[1])


def test_a_card_that_is_inserted_answers_to_reset_and_names_its_directory(
    reader: socket.socket,
) -> None:
    hand = hand_at(reader)
    hand.insert(NUMBER, "3012", "123456")
    atr, answer = asked(reader, b"\x04", SELECT_PSE[:-1])
    assert (atr, answer[0]) == (ATR, 0x61)
    assert hand.remove()
    assert not hand.remove()


@pytest.mark.parametrize(
    ("way", "expected"),
    [("dead", b""), ("blocked", b"\x6a\x81"), ("garbage", b"\x90\x00"), ("pulled", b"gone")],
)
def test_ways_a_card_misbehaves(reader: socket.socket, way: str, expected: bytes) -> None:
    hand = hand_at(reader)
    hand.insert(NUMBER, "3012", "123456", way)
    message = b"\x04" if way == "dead" else SELECT_PSE[:-1]
    *_, last = asked(reader, *[message] * (5 if way == "pulled" else 1))
    assert last[-2:] == expected[-2:] or last == expected
    hand.remove()


def test_a_card_keeps_its_counters_between_insertions(reader: socket.socket) -> None:
    hand = hand_at(reader)
    hand.insert(NUMBER, "3012", "123456")
    first = hand.held
    hand.remove()
    hand.insert(NUMBER, "3012", "123456")
    assert hand.held is first
    hand.remove()


def test_no_reader_is_an_error_and_nothing_is_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hand = ChipHand(port)
    with pytest.raises(OSError, match="refused"):
        hand.insert(NUMBER, "3012", "123456")
    assert hand.held is None


def test_file_and_set_hold_the_keys_of_this_process(tmp_path: Path) -> None:
    told = prepare(tmp_path)
    version = told.pop("version")
    held = from_toml((tmp_path / "emv.toml").read_text("utf-8"), source="emv.toml")
    assert held == from_plain(told, source="set")
    assert held.ca_keys == parameters().ca_keys
    assert prepare(tmp_path)["version"] == version  # the same keys, the same version


def test_a_card_is_of_its_numbers_payment_system() -> None:
    made = profile_of("4012888888881881", "3012", "123456")
    assert (made.scheme, made.expiry, made.pin) == ("visa", "301228", "123456")
    with pytest.raises(KeyError):
        profile_of("9" * 16, "3012", "123456")
