"""No card number or track may be found in anything that a business day leaves behind."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from posfw.sim.cards import deck
from posfw.sim.play import play
from posfw.sim.script import CARDS

pytestmark = [pytest.mark.system, pytest.mark.may_block]

SEED = 5


def forms(secret: str) -> list[bytes]:
    """A secret as it could hide: text, UTF-16, hex of the text, base64 and BCD, also reversed."""
    plain = secret.encode()
    found = [plain, plain[::-1], secret.encode("utf-16-le"), plain.hex().encode()]
    found.append(base64.b64encode(plain).rstrip(b"=")[:-1])
    if secret.isdigit():
        found.append(bytes.fromhex(secret + "f" * (len(secret) % 2)))
    return found


def secrets() -> list[str]:
    cards = deck(SEED).values()
    numbers = {card.number.reveal() for card in cards} | set(CARDS)
    return sorted(numbers) + [track for card in cards for track in (card.track1, card.track2)]


def hits(folder: Path) -> list[str]:
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files
    wanted = [form for secret in secrets() for form in forms(secret)]
    return [path.name for path, data in files.items() if any(form in data for form in wanted)]


async def test_a_day_leaves_no_card_data_and_a_planted_one_is_found(tmp_path: Path) -> None:
    report = await play(SEED, tmp_path, lambda _: None)
    assert report.balanced
    check(tmp_path)


def check(folder: Path) -> None:
    names = {path.name for path in folder.rglob("*")}
    assert {"journal.db", "debug.log", "wire.bin"} <= names
    assert len((folder / "wire.bin").read_bytes()) > 10_000
    assert b"DEBUG" in (folder / "debug.log").read_bytes()
    assert hits(folder) == []
    for number, form in enumerate(forms(CARDS[0])):
        planted = folder / f"planted-{number}"
        planted.write_bytes(b"xx" + form + b"xx")
        assert hits(folder) == [planted.name]
        planted.unlink()
