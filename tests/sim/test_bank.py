from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from posfw.sim.bank import Bank, Place

PLACE: Place = ("12345678", 1, 7)
OTHER: Place = ("12345678", 1, 8)
CARD = "6212345678901232"


def approve(bank: Bank, place: Place = PLACE, amount: int = 1000) -> str:
    return bank.authorise(place, kind="sale", amount=amount, card=CARD).code


def test_cents_decide_and_everything_else_is_approved() -> None:
    bank = Bank()
    codes = [approve(bank, ("12345678", 1, n), 1000 + n) for n in (51, 5, 41, 55, 91, 1)]
    assert codes == ["51", "05", "41", "55", "91", "00"]


def test_a_repeat_gets_the_stored_answer_and_posts_once() -> None:
    bank = Bank()
    first = bank.authorise(PLACE, kind="sale", amount=1000, card=CARD)
    assert bank.authorise(PLACE, kind="sale", amount=1000, card=CARD) == first
    assert bank.totals("12345678", 1)["debit_count"] == 1


def test_another_request_under_a_used_key_is_refused() -> None:
    bank = Bank()
    approve(bank)
    assert approve(bank, amount=999_900) == "94"
    assert bank.totals("12345678", 1)["debit_minor"] == 1000


def test_a_reversal_of_the_unseen_is_remembered() -> None:
    bank = Bank()
    assert bank.reverse(PLACE).code == "25"
    assert approve(bank) == "12"
    assert bank.advise(PLACE, kind="sale", amount=1000, card=CARD).code == "12"
    assert bank.records("12345678", 1) == []


def test_an_advice_posts_once_and_never_over_a_decline() -> None:
    bank = Bank()
    assert bank.advise(PLACE, kind="sale", amount=1000, card=CARD).code == "00"
    assert bank.advise(PLACE, kind="sale", amount=1000, card=CARD).code == "94"
    assert approve(bank, OTHER, 1051) == "51"
    assert bank.advise(OTHER, kind="sale", amount=1051, card=CARD).code == "12"
    assert bank.records("12345678", 1) == [[7, 1000, 1]]


def test_a_void_takes_the_whole_once() -> None:
    bank = Bank()
    approve(bank)
    places: list[Place] = [("12345678", 1, n) for n in (8, 9, 10)]
    codes = [
        bank.authorise(p, kind="void", amount=a, card="", original=PLACE).code
        for p, a in zip(places, (999, 1000, 1000), strict=True)
    ]
    assert codes == ["12", "00", "25"]


def test_refunds_end_at_the_original_and_their_reversal_gives_back() -> None:
    bank = Bank()
    approve(bank)

    def refund(stan: int, amount: int) -> str:
        place = ("12345678", 1, stan)
        return bank.authorise(place, kind="refund", amount=amount, card="", original=PLACE).code

    assert [refund(8, 600), refund(9, 600)] == ["00", "61"]
    bank.reverse(OTHER)
    assert refund(10, 1000) == "00"


def test_what_was_given_back_is_not_reversed_too() -> None:
    bank = Bank()
    approve(bank)
    bank.authorise(OTHER, kind="void", amount=1000, card="", original=PLACE)
    assert bank.reverse(PLACE).code == "40"
    assert bank.totals("12345678", 1) == {
        "debit_count": 1,
        "debit_minor": 1000,
        "credit_count": 1,
        "credit_minor": 1000,
    }


def test_no_card_number_is_in_the_books() -> None:
    bank = Bank()
    approve(bank)
    assert CARD not in repr(bank)
    assert CARD not in str(bank.snapshot())


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["authorise", "advise", "reverse"]), st.integers(1, 3)), max_size=12
)


@given(ACTIONS)
def test_in_any_order_no_key_is_posted_twice_and_no_reversed_key_lives(
    actions: list[tuple[str, int]],
) -> None:
    bank = Bank()
    reversed_: set[int] = set()
    for what, stan in actions:
        place = ("12345678", 1, stan)
        if what == "reverse":
            bank.reverse(place)
            reversed_.add(stan)
        elif what == "advise":
            bank.advise(place, kind="sale", amount=1000, card=CARD)
        else:
            approve(bank, place)
    live = Counter(stan for stan, _, _ in bank.records("12345678", 1))
    assert all(count == 1 for count in live.values())
    assert not reversed_ & live.keys()
