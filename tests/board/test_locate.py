from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.board.locate import KeyPath, dotted, locate

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("boards/**/*.toml"), *ROOT.glob("tests/boards/**/*.toml")])

TRICKY = '''\
# comment with [brackets] and = signs
a = "x # not a comment" # a comment
"quoted.key" = 1
b.c = 2
text = """
[not.a.table]
no = "key"
"""
list = [
  "one", # 1
  { inner = 2 },
]
point = { x = 1, y = { z = 2 } }
[t."u.v"]
literal = 'C:\\path'
[[many]]
k = 1
'''


def paths(table: Mapping[str, object], at: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in table.items():
        yield (*at, key)
        if isinstance(value, Mapping):
            yield from paths(value, (*at, key))


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_key_of_every_profile_is_found_on_a_line_that_names_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines, found = text.splitlines(), locate(text)
    for key in paths(tomllib.loads(text)):
        assert key[-1] in lines[found[key] - 1]


def test_strings_arrays_and_inline_tables_do_not_confuse_it() -> None:
    found = locate(TRICKY)
    assert {dotted(path): line for path, line in found.items()} == {
        "a": 2,
        '"quoted.key"': 3,
        "b": 4,
        "b.c": 4,
        "text": 5,
        "list": 9,
        "point": 13,
        "point.x": 13,
        "point.y": 13,
        "point.y.z": 13,
        "t": 14,
        't."u.v"': 14,
        't."u.v".literal': 15,
        "many": 16,
        "many.k": 17,
    }


@given(st.text(alphabet="ab.=\"'[]{}#,\n 1", max_size=40))
def test_any_text_that_is_toml_is_walked_to_its_end(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(paths(document)) <= set(locate(text))
