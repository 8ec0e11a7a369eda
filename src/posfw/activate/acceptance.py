"""The acceptance run: n rounds of varied work, each recorded, the report kept (S78, S79)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["KINDS", "Report", "Round", "Task", "judged", "passed", "plan", "report"]

# What is tried, in this order; the settlement closes the test batch and comes last of all.
KINDS = ("sale", "decline", "void", "refund", "print", "line_loss")
LAST = "settlement"
SETTLED = frozenset({*KINDS, LAST})


@dataclass(frozen=True, slots=True)
class Task:
    """One round to be done: what, and with which amount in minor units."""

    number: int
    kind: str
    minor: int


@dataclass(frozen=True, slots=True)
class Round:
    """One round that was done."""

    number: int
    kind: str
    minor: int
    passed: bool
    took_ms: int
    detail: str = ""

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Round:
        """Read what `asdict` wrote into a record."""
        return cls(
            body["number"],
            body["kind"],
            body["minor"],
            body["passed"],
            body["took_ms"],
            body["detail"],
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What is kept of a run: verdict, figures by kind, the slowest round."""

    passed: bool
    rounds: int
    failures: tuple[Round, ...]
    by_kind: Mapping[str, int]
    slowest_ms: Mapping[str, int]

    def body(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self) | {"failures": [asdict(each) for each in self.failures]}


def plan(rounds: int, decline_minor: int) -> Sequence[Task]:
    """Return what to do: kinds in turn with ever other amounts, the settlement last.

    Args:
        rounds: how many in all, at least one of each kind.
        decline_minor: cents that the acquirer's test host declines (51 of a hundred, say).
    """
    count = max(rounds, len(SETTLED)) - 1
    tasks = []
    for number in range(1, count + 1):
        kind = KINDS[(number - 1) % len(KINDS)]
        # 89 is prime, so 89 amounts in a row differ; whole units keep the cents at 00.
        yuan = 1 + number * 7 % 89
        minor = yuan * 100 + (decline_minor % 100 if kind == "decline" else 0)
        tasks.append(Task(number, kind, minor))
    return [*tasks, Task(count + 1, LAST, 0)]


def judged(done: Round, budget_ms: int) -> Round:
    """Return the round, failed where it took longer than its budget; 0 is no budget (S103)."""
    if not budget_ms or done.took_ms <= budget_ms:
        return done
    told = f"{done.took_ms} ms, at most {budget_ms} ms are allowed; {done.detail}"
    return replace(done, passed=False, detail=told[:200])


def passed(rounds: Iterable[Round]) -> bool:
    """Whether every round passed; none at all have not."""
    every = list(rounds)
    return bool(every) and all(each.passed for each in every)


def report(rounds: Sequence[Round]) -> Report:
    """Return the report of a run."""
    by_kind: dict[str, int] = {}
    slowest: dict[str, int] = {}
    for each in rounds:
        by_kind[each.kind] = by_kind.get(each.kind, 0) + 1
        slowest[each.kind] = max(slowest.get(each.kind, 0), each.took_ms)
    failures = tuple(each for each in rounds if not each.passed)
    return Report(passed(rounds), len(rounds), failures, by_kind, slowest)
