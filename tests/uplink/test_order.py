from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.uplink.order import Backoff, Verdict, before_sale, verdict
from posfw.values.identity import Key
from posfw.values.transaction import Owed, OwedKind


def owed(number: int, kind: OwedKind) -> Owed:
    return Owed(number, kind, Key("T0000001", 1, number))


def test_script_results_and_reversals_go_before_a_sale() -> None:
    rows = [owed(number, kind) for number, kind in enumerate(OwedKind, 1)]
    assert {each.kind for each in before_sale(rows)} == {
        OwedKind.SCRIPT_RESULT,
        OwedKind.REVERSAL,
    }


@pytest.mark.parametrize(
    ("kind", "code", "expected"),
    [
        (OwedKind.REVERSAL, "00", Verdict.DONE),
        (OwedKind.REVERSAL, "12", Verdict.DONE),
        (OwedKind.REVERSAL, "25", Verdict.DONE),
        (OwedKind.REVERSAL, "94", Verdict.REJECTED),
        (OwedKind.ADVICE, "00", Verdict.DONE),
        (OwedKind.ADVICE, "94", Verdict.DONE),
        (OwedKind.ADVICE, "25", Verdict.REJECTED),
        (OwedKind.ADVICE, "A0", Verdict.KEYS_DIFFER),
        (OwedKind.REVERSAL, "A0", Verdict.KEYS_DIFFER),
        (OwedKind.SCRIPT_RESULT, "00", Verdict.DONE),
        (OwedKind.UPLOAD, "96", Verdict.REJECTED),
    ],
)
def test_a_response_code_ends_rejects_or_keeps_an_owed_message(
    kind: OwedKind, code: str, expected: Verdict
) -> None:
    assert verdict(kind, code) is expected


@given(st.lists(st.floats(0, 29), max_size=50))
def test_waits_grow_to_the_cap_and_never_beyond(lasted: list[float]) -> None:
    waits = Backoff(1.0, 60.0, 30.0)
    assert waits.ceiling_s == 0
    for each in lasted:
        following = waits.after(each)
        assert waits.ceiling_s <= following.ceiling_s <= 60.0
        waits = following


def test_a_connection_that_lasted_resets_the_waits() -> None:
    waits = Backoff(1.0, 60.0, 30.0, failed=9)
    assert waits.after(31.0).ceiling_s == 1.0
