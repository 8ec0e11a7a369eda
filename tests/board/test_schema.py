from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.board.schema import Leaf, Schema, read_toml, validate
from posfw.values.errors import ConfigError

SCHEMA: Schema = {"a": Leaf(int, required=True), "t": {"b": Leaf(str)}}


def test_a_right_document_passes() -> None:
    validate({"a": 1, "t": {"b": "x"}}, SCHEMA, text="", source="f")


@pytest.mark.parametrize(
    "document", [{}, {"a": True}, {"a": "1"}, {"a": 1, "t": 2}, {"a": 1, "c": 1}]
)
def test_a_wrong_document_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        validate(document, SCHEMA, text="", source="f")


@given(st.text(max_size=80))
def test_any_text_is_toml_or_one_error(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(read_toml(text, source="f"), dict)
