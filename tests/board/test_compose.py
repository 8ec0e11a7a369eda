from __future__ import annotations

import pytest

from posfw.board.compose import Layer, Origin, compose, explain, layers_of
from posfw.values.errors import ConfigError

CHIP = Layer("chip", "a = 1\n[t]\nx = 1\ny = [1, 2]\n[gone]\nz = 1\n")
TOP = Layer("top", 'extends = ["chip"]\n"!remove" = ["gone.z"]\n[t]\ny = [3]\nw = 2\n')


def parents(name: str) -> Layer | None:
    return {"chip": CHIP, "top": TOP}.get(name)


def test_tables_merge_arrays_replace_and_removal_is_explicit() -> None:
    composed = compose(layers_of(TOP, parents), main="top")
    assert composed.document == {"a": 1, "t": {"x": 1, "y": [3], "w": 2}, "gone": {}}
    assert composed.mistakes == []


def test_every_value_tells_the_file_and_line_that_set_it() -> None:
    composed = compose(layers_of(TOP, parents), main="top")
    rows = {key: origin for key, _, origin in explain(composed)}
    assert rows["a"] == Origin("chip", 1)
    assert rows["t.x"] == Origin("chip", 3)
    assert rows["t.y"] == Origin("top", 4)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"!remove" = ["nothing.here"]', "there is nothing to remove"),
        ('"!remove" = "gone"', "must be a list of keys"),
    ],
)
def test_a_removal_of_nothing_is_a_mistake(text: str, told: str) -> None:
    composed = compose([CHIP, Layer("top", text)], main="top")
    assert [told in str(mistake) for _, mistake in composed.mistakes] == [True]


def test_a_circle_of_parents_is_refused() -> None:
    loop = Layer("chip", 'extends = ["top"]')
    known = {"chip": loop, "top": TOP}
    with pytest.raises(ConfigError, match="extends itself"):
        layers_of(TOP, known.get)


def test_a_parent_named_twice_counts_once() -> None:
    twice = Layer("top", 'extends = ["chip", "chip"]')
    assert [layer.source for layer in layers_of(twice, parents)] == ["chip", "top"]


def test_an_unknown_parent_is_told_with_its_line() -> None:
    with pytest.raises(ConfigError, match="top:2: extends: there is no 'chop'"):
        layers_of(Layer("top", 'a = 1\nextends = ["chop"]'), parents)


def test_a_value_may_become_a_table_and_back() -> None:
    composed = compose(
        [Layer("a", "k = 1"), Layer("b", "[k]\nx = 1"), Layer("c", "k = 2")], main="c"
    )
    assert composed.document == {"k": 2}
