"""The right protocol passes what every planted fault fails (hypothesis, fixed draws)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from posfw.values.identity import Key
from posfw.values.transaction import Kind
from tests.planted.protocol import CARD, Plan, Protocol
from tests.planted.protocols import PLANTED
from tests.planted.world import PostingBank, ViolationError, World
from tests.power.virtual import VirtualLoop, without_threads

pytestmark = [pytest.mark.may_block, pytest.mark.slow, pytest.mark.timeout(180)]

RIGHT_EXAMPLES = int(os.environ.get("POSFW_EXAMPLES", "300"))
PLANTED_EXAMPLES = 600
STEPS = 25

FATES = st.builds(
    Plan,
    request=st.sampled_from(["arrives", "arrives", "late", "lost", "twice"]),
    answer=st.sampled_from(["arrives", "arrives", "late", "lost"]),
    inquiry=st.sampled_from(["arrives", "lost"]),
    owed=st.sampled_from(["arrives", "lost", "unanswered"]),
    cut=st.none() | st.integers(0, 9),
)
# 51 and 05 are declined by the bank; the others are approved.
AMOUNTS = st.sampled_from([100, 700, 1300, 1051, 2005])


class Shop(RuleBasedStateMachine):
    """A terminal, its bank and the line between them; after every event the invariants hold."""

    protocol: ClassVar[type[Protocol]] = Protocol
    bank: ClassVar[type[PostingBank]] = PostingBank
    seen: ClassVar[Counter[str]] = Counter()
    around: ClassVar[type[World]] = World

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="posfw-shop-"))
        self._stack.callback(shutil.rmtree, self.folder)
        self._stack.enter_context(without_threads(lambda _: None))
        self.loop = VirtualLoop(1, instant=True)
        self._stack.callback(self.loop.close)
        self.world = self.around(self.folder, self.protocol, self.bank, self.seen)
        self.run(self.world.power_up())

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(what)

    def do(self, plan: Plan, what: Any) -> None:
        async def done() -> None:
            await self.world.act(plan, what)
            await self.world.check()

        self.run(done())

    @rule(plan=FATES, minor=AMOUNTS)
    def sell(self, plan: Plan, minor: int) -> None:
        intent = self.world.intent(Kind.SALE, minor)
        self.do(plan, lambda: self.world.terminal.pay(intent, CARD))

    @precondition(lambda self: self.world.shown)
    @rule(plan=FATES, which=st.integers(0, 30))
    def void(self, plan: Plan, which: int) -> None:
        place = sorted(self.world.shown)[which % len(self.world.shown)]
        minor, _ = self.world.shown[place]
        intent = self.world.intent(Kind.VOID, minor, Key(*place))
        self.do(plan, lambda: self.world.terminal.pay(intent, None))

    @rule(plan=FATES)
    def forward(self, plan: Plan) -> None:
        self.do(plan, self.world.terminal.forward)

    @rule()
    def nothing_arrives_for_an_hour(self) -> None:
        for _ in range(4):
            self.do(Plan(owed="lost"), self.world.terminal.forward)

    @rule(plan=FATES)
    def print_one(self, plan: Plan) -> None:
        self.do(plan, self.world.terminal.print_one)

    @rule(down=st.booleans())
    def line(self, down: bool) -> None:
        self.world.down = down

    @precondition(lambda self: self.world.requests)
    @rule()
    def late_request_arrives(self) -> None:
        self.world.requests.pop(0)()
        self.run(self.world.check())

    @precondition(lambda self: self.world.answers)
    @rule()
    def late_answer_arrives(self) -> None:
        key, verdict = self.world.answers.pop(0)
        self.do(Plan(), lambda: self.world.terminal.late_answer(key, verdict))

    @rule()
    def restart(self) -> None:
        self.do(Plan(cut=0), self._cut)

    async def _cut(self) -> None:
        self.world.step()

    @rule()
    def heal(self) -> None:
        self.run(self._healed())

    @rule()
    def settle(self) -> None:
        self.run(self.world.settle())
        self.run(self.world.check())

    async def _healed(self) -> None:
        await self.world.heal()
        await self.world.check_at_rest()

    def teardown(self) -> None:
        try:
            self.run(self._healed())
        finally:
            self.run(self.world.power_down())
            self._stack.close()


def explore(
    terminal: type[Protocol], bank: type[PostingBank], examples: int, shop: type[Shop] = Shop
) -> Counter[str]:
    """Run the shop and return what happened; the draws depend on `examples` alone.

    Raises:
        ViolationError: an invariant does not hold.
    """
    seen: Counter[str] = Counter()
    machine = type("Shop", (shop,), {"protocol": terminal, "bank": bank, "seen": seen})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            print_blob=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
    return seen


def test_the_right_protocol_holds_every_invariant() -> None:
    seen = explore(Protocol, PostingBank, RIGHT_EXAMPLES)
    for what in (
        "sale approved",
        "sale approved_offline",
        "sale declined",
        "sale unknown",
        "void approved",
        "cut",
        "settled with rows",
    ):
        assert seen[what] > 20, seen


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_fault_is_caught(name: str) -> None:
    with pytest.raises(ViolationError, match=r"I\d+ "):
        explore(*PLANTED[name], PLANTED_EXAMPLES)


def test_there_are_enough_of_them() -> None:
    assert len(PLANTED) >= 12
