"""Every code is different and says something."""

from __future__ import annotations

from posfw.card import codes
from posfw.card.entry import event_of

ALL = {name: getattr(codes, name) for name in codes.__all__ if name != "SENTENCES"}


def test_no_two_names_share_a_code() -> None:
    assert len(set(ALL.values())) == len(ALL)
    assert all(code.startswith("CRD-") for code in ALL.values())


def test_every_code_has_a_sentence() -> None:
    assert set(codes.SENTENCES) == set(ALL.values())
    for sentence in codes.SENTENCES.values():
        assert sentence.isascii()
        assert sentence.endswith(".")


def test_what_only_the_reader_can_cause_asks_the_customer_for_nothing() -> None:
    for code in (codes.READER_GONE, codes.READER_SILENT, codes.READER_REFUSED, codes.ENCRYPTED):
        assert event_of(code) is None
