"""Tips, adjustments, completions and payers with telephones under the same invariants."""

from __future__ import annotations

import os
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from posfw.sim.bank import Place
from posfw.values.identity import Key
from posfw.values.transaction import Kind
from tests.planted.protocol import CARD, Plan, Protocol
from tests.planted.test_planted import FATES, Shop, explore
from tests.planted.ways import WRONG, Patience, Ways, WaysWorld, shown
from tests.planted.world import PostingBank, ViolationError, World

pytestmark = [pytest.mark.may_block, pytest.mark.slow, pytest.mark.timeout(180)]

RIGHT_EXAMPLES = int(os.environ.get("POSFW_EXAMPLES", "300"))
WRONG_EXAMPLES = 300
# What may come after which; the first ones are drawn more often by going round.
FOLLOWING = {
    Kind.SALE: (Kind.TIP, Kind.VOID, Kind.ADJUST, Kind.ADJUST_DOWN, Kind.TIP),
    Kind.QR_SALE: (Kind.QR_VOID, Kind.TIP),
    Kind.PREAUTH: (
        Kind.COMPLETION_ADVICE,
        Kind.PREAUTH_ADD,
        Kind.COMPLETION,
        Kind.PREAUTH_VOID,
        Kind.COMPLETION_ADVICE,
    ),
    Kind.COMPLETION: (Kind.COMPLETION_VOID,),
    Kind.COMPLETION_ADVICE: (Kind.COMPLETION_VOID, Kind.TIP),
}
_BACK = {
    Kind.QR_SALE: Kind.QR_VOID,
    Kind.COMPLETION: Kind.COMPLETION_VOID,
    Kind.COMPLETION_ADVICE: Kind.COMPLETION_VOID,
}
# Mostly good days: what follows needs something that went well.
CALM = st.just(Plan())
DAYS = st.one_of(CALM, CALM, CALM, FATES)
PATIENCE = st.builds(
    Patience,
    looks=st.integers(1, 4),
    pays=st.sampled_from(["never", "never", 1, 2, 3, "at close"]),
    close=st.sampled_from(["arrives", "lost", "unanswered"]),
)


class WaysShop(Shop):
    """The shop of `test_planted` with more ways to pay."""

    protocol: ClassVar[type[Protocol]] = Ways
    around: ClassVar[type[World]] = WaysWorld

    @property
    def ways(self) -> WaysWorld:
        assert isinstance(self.world, WaysWorld)
        return self.world

    @property
    def till(self) -> Ways:
        assert isinstance(self.world.terminal, Ways)
        return self.world.terminal

    @rule(
        plan=DAYS,
        minor=st.sampled_from([500, 900]),
        patience=PATIENCE,
        pays_late=st.booleans(),
        back=st.booleans(),
    )
    def show_code(
        self, plan: Plan, minor: int, patience: Patience, *, pays_late: bool, back: bool
    ) -> None:
        self.ways.patience, before = patience, set(self.ways.shown)
        intent = shown(self.world, minor)
        self.do(plan, lambda: self.till.show_code(intent))
        if pays_late:
            self.ways.late_payer()
            self.run(self.world.check())
        if back:
            self._take_back(before)

    def _take_back(self, before: set[Place]) -> None:
        """Take back what is new, where that takes a kind of its own."""
        self.deliver(Plan())
        for place in set(self.ways.shown) - before:
            kind = _BACK.get(self.ways.asked_for[place].kind)
            if kind is not None:
                key = Key(*place)
                self.do(Plan(), lambda: self.till.follow(kind, key, 1))  # noqa: B023 - run at once

    @rule(plan=DAYS, minor=st.sampled_from([600, 1000]))
    def hold(self, plan: Plan, minor: int) -> None:
        intent = self.world.intent(Kind.PREAUTH, minor)
        self.do(plan, lambda: self.world.terminal.pay(intent, CARD))

    @rule(plan=DAYS)
    def deliver(self, plan: Plan) -> None:
        self.world.down = False
        self.do(plan, self.world.terminal.forward)

    @precondition(lambda self: self.world.shown)
    @rule(
        plan=DAYS,
        draw=st.integers(0, 20),
        which=st.integers(0, 30),
        minor=st.sampled_from([10, 500]),
    )
    def follow(self, plan: Plan, draw: int, which: int, minor: int) -> None:
        place = sorted(self.world.shown)[which % len(self.world.shown)]
        kinds = FOLLOWING.get(self.ways.asked_for[place].kind, (Kind.VOID,))
        kind = kinds[draw % len(kinds)]
        self.do(plan, lambda: self.till.follow(kind, Key(*place), minor))

    @rule(
        kind=st.sampled_from([Kind.SALE, Kind.SALE, Kind.PREAUTH]),
        down=st.booleans(),
        delivered=st.booleans(),
        plan=DAYS,
        draws=st.lists(st.integers(0, 20), min_size=1, max_size=3),
        back=st.booleans(),
    )
    def story(
        self,
        kind: Kind,
        plan: Plan,
        draws: list[int],
        *,
        down: bool,
        delivered: bool,
        back: bool,
    ) -> None:
        """Something new and what follows it, as it happens at one table."""
        world, before = self.ways, set(self.ways.shown)
        self.line(down)
        intent = world.intent(kind, 1000)
        self.do(Plan(), lambda: world.terminal.pay(intent, CARD))
        new = set(world.shown) - before
        if delivered:
            self.deliver(Plan())
        for place in new:
            for draw in draws:
                following = FOLLOWING[kind][draw % len(FOLLOWING[kind])]
                key = Key(*place)
                self.do(plan, lambda: self.till.follow(following, key, 100))  # noqa: B023 - run at once
        if back:
            self._take_back(before)


def test_the_right_terminal_holds_every_invariant() -> None:
    seen = explore(Ways, PostingBank, RIGHT_EXAMPLES, WaysShop)
    for what in (
        "qr_sale approved",
        "qr_sale declined",
        "qr_sale unknown",
        "paid late",
        "tip approved_offline",
        "tip refused",
        "adjust approved_offline",
        "void approved",
        "preauth approved",
        "completion_advice approved_offline",
        "completion_void approved",
        "qr_void approved",
        "cut",
        "settled with rows",
    ):
        assert seen[what], (what, seen)


@pytest.mark.parametrize("name", WRONG)
def test_every_wrong_one_is_caught(name: str) -> None:
    wrong = WRONG[name]
    with pytest.raises(ViolationError, match=r"I\d+ "):
        explore(wrong.protocol, wrong.bank, WRONG_EXAMPLES, WaysShop)
