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


THIRD: Place = ("12345678", 1, 9)


def follow(bank: Bank, place: Place, kind: str, amount: int, original: Place = PLACE) -> str:
    return bank.authorise(place, kind=kind, amount=amount, card="", original=original).code


def advise(bank: Bank, place: Place, kind: str, amount: int, original: Place = PLACE) -> str:
    return bank.advise(place, kind=kind, amount=amount, card="", original=original).code


def test_a_tip_belongs_to_its_sale_and_goes_with_it() -> None:
    bank = Bank()
    assert advise(bank, OTHER, "tip", 100) == "25"
    approve(bank)
    assert advise(bank, OTHER, "tip", 100) == "00"
    assert advise(bank, OTHER, "tip", 100) == "94"
    assert follow(bank, THIRD, "void", 1000) == "12"
    assert follow(bank, ("12345678", 1, 10), "void", 1100) == "00"
    assert advise(bank, ("12345678", 1, 11), "tip", 1) == "25"
    totals = bank.totals("12345678", 1)
    assert (totals["debit_minor"], totals["credit_minor"]) == (1100, 1100)


def test_an_adjustment_downwards_gives_back() -> None:
    bank = Bank()
    assert bank.advise(PLACE, kind="offline_sale", amount=1000, card=CARD).code == "00"
    assert advise(bank, OTHER, "adjust_down", 300) == "00"
    assert bank.records("12345678", 1) == [[7, 1000, 1], [8, 300, -1]]
    assert follow(bank, THIRD, "refund", 701) == "61"
    assert follow(bank, ("12345678", 1, 10), "refund", 700) == "00"
    assert advise(bank, ("12345678", 1, 11), "adjust", 1) == "12"


def test_an_authorisation_is_completed_once_until_its_completion_is_voided() -> None:
    bank = Bank()
    bank.authorise(PLACE, kind="preauth", amount=1000, card=CARD)
    assert follow(bank, OTHER, "completion", 1151) == "61"
    assert advise(bank, THIRD, "completion_advice", 1150) == "00"
    assert follow(bank, ("12345678", 1, 10), "completion", 100) == "12"
    assert follow(bank, ("12345678", 1, 11), "preauth_void", 1000) == "12"
    assert follow(bank, ("12345678", 1, 12), "completion_void", 1150, THIRD) == "00"
    assert follow(bank, ("12345678", 1, 13), "completion", 1000) == "00"


def show(bank: Bank, place: Place = PLACE) -> str:
    return bank.authorise(place, kind="qr_sale", amount=1000, card="").code


def test_a_shown_code_is_paid_after_a_while_and_posted_once() -> None:
    bank = Bank(pays_after=2)
    assert [show(bank), show(bank)] == ["09", "09"]
    assert bank.inquire(PLACE)[0] == "waiting"
    assert bank.records("12345678", 1) == []
    assert bank.inquire(PLACE)[0] == "approved"
    assert bank.inquire(PLACE)[0] == "approved"
    assert bank.close(PLACE)[0] == "approved"
    assert bank.records("12345678", 1) == [[7, 1000, 1]]


def test_a_closed_code_is_never_paid() -> None:
    bank = Bank(pays_after=None)
    show(bank)
    assert bank.close(PLACE)[0] == "declined"
    assert bank.close(PLACE)[0] == "declined"
    assert bank.inquire(PLACE)[0] == "declined"
    assert show(bank) == "17"
    assert bank.waiting == {}
    assert bank.close(OTHER)[0] == "declined"
    assert show(bank, OTHER) == "17"
    assert bank.records("12345678", 1) == []


def test_a_reversal_takes_back_what_was_paid_and_ends_what_was_not() -> None:
    bank = Bank(pays_after=None)
    show(bank)
    assert bank.pay(PLACE).code == "00"
    assert bank.reverse(PLACE).code == "00"
    show(bank, OTHER)
    assert bank.reverse(OTHER).code == "00"
    assert bank.waiting == {}
    assert bank.close(OTHER)[0] == "reversed"
    assert bank.records("12345678", 1) == []


def test_a_scanned_payer_types_a_password_where_the_cents_say_so() -> None:
    bank = Bank(pays_after=1)
    scanned = bank.authorise(PLACE, kind="qr_sale", amount=1000, card=CARD)
    assert scanned.code == "00"
    typing = bank.authorise(OTHER, kind="qr_sale", amount=1009, card=CARD)
    assert typing.code == "09"
    assert bank.inquire(OTHER)[0] == "approved"
    poor = bank.authorise(THIRD, kind="qr_sale", amount=1051, card="")
    assert poor.code == "09"
    assert bank.inquire(THIRD)[0] == "declined"
