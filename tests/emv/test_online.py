"""What the issuer gets: DE55 data, judged by a reader and keys apart from the kernel's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from posfw.emv.effects import AuthoriseOnline
from posfw.emv.online import AUTHORISATION_TAGS
from posfw.sim.chip.issuer import read_objects
from posfw.sim.chip.profile import SCHEMES, Profile
from posfw.values.card import EntryMode


def asked(made: Any) -> Any:
    return next(each for each in made.counter.asked if isinstance(each, AuthoriseOnline)).card


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
def test_the_request_carries_every_tag_of_the_list(
    sale: Callable[..., Any], profile: Profile
) -> None:
    made = sale(profile)
    card = asked(made)
    objects = read_objects(card.emv.reveal())
    assert tuple(objects) == AUTHORISATION_TAGS
    assert card.entry_mode is EntryMode.CHIP
    assert objects[0x9F02] == bytes.fromhex("000000030000")
    assert objects[0x9F27] == b"\x80"
    assert objects[0x95] == made.finished.tvr.to_bytes5()


@pytest.mark.parametrize("profile", SCHEMES, ids=lambda each: each.scheme)
@pytest.mark.parametrize("tag", [0x9F02, 0x95, 0x9A, 0x9F37, 0x9F36, 0x82])
def test_the_issuer_notices_any_change_of_what_the_card_signed(
    sale: Callable[..., Any], profile: Profile, tag: int
) -> None:
    made = sale(profile)
    card = asked(made)
    issuer, number = made.counter.issuer, card.number.reveal()
    assert issuer.genuine(card.emv.reveal(), number, 1)
    value = read_objects(card.emv.reveal())[tag]
    changed = card.emv.reveal().replace(value, bytes((value[0] ^ 1,)) + value[1:], 1)
    assert not issuer.genuine(changed, number, 1)


def test_a_read_card_shows_neither_number_nor_chip_data(sale: Callable[..., Any]) -> None:
    made = sale(SCHEMES[1])
    shown = repr(asked(made)) + repr(made.finished)
    assert SCHEMES[1].pan not in shown
    assert SCHEMES[1].pan[:15] not in shown
    assert asked(made).emv.reveal().hex() not in shown
