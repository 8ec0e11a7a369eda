from __future__ import annotations

import inspect

import pytest

from posfw.values import errors
from posfw.values.errors import JournalBusyError, PosfwError

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, PosfwError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_cause_effect_next_step_and_code(kind: type[PosfwError]) -> None:
    error = kind("The cause.")
    assert str(error) == f"The cause. {kind.effect} {kind.next_step} ({kind.code})"
    assert kind.effect.endswith(".")


def test_codes_of_classes_are_unique() -> None:
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes)


def test_exit_codes_are_those_of_the_table() -> None:
    assert JournalBusyError("x").exit_code == 7
    assert {kind.exit_code for kind in CLASSES} <= {1, 4, 5, 6, 7, 78}
