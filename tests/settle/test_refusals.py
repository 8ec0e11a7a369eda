from __future__ import annotations

import pytest

from posfw.settle.refusals import Course, course


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("00", Course.GO_ON),
        ("94", Course.FETCH),
        ("96", Course.REOPEN),
        ("97", Course.REOPEN),
        ("", Course.REOPEN),
        (None, Course.REOPEN),
        (0, Course.REOPEN),
    ],
)
def test_only_a_clear_word_of_the_bank_closes_a_batch(code: object, expected: Course) -> None:
    assert course(code) is expected
