"""The fuzzer itself: it repeats, it finds what is planted, and every parser survives a round."""

from __future__ import annotations

import time

import pytest

from posfw.values.errors import CodecError
from tests.fuzz.drawn import drawn
from tests.fuzz.fire import GUIDED, Found, cost_ms, fuzz, guided
from tests.fuzz.mutate import Mutator
from tests.fuzz.parsers import PARSERS, Parser


def test_the_same_seed_makes_the_same_inputs() -> None:
    one, two, other = (Mutator([b"seed", b"more"], seed) for seed in (7, 7, 8))
    made = [one.next() for _ in range(200)]
    assert made == [two.next() for _ in range(200)]
    assert made != [other.next() for _ in range(200)]
    assert len(set(made)) > 100


def planted(data: bytes) -> None:
    if data[1:2] == b"\x80":
        raise IndexError("planted")
    raise CodecError("refused")


def test_a_planted_stray_error_is_found() -> None:
    found = fuzz(Parser(planted, [b"\x00\x00\x00"]), 1, seconds=0, inputs=5000)
    assert found.unexpected
    assert not found.good
    assert found.document()["unexpected"] == len(found.unexpected)


def test_a_planted_slow_input_is_found() -> None:
    def slow(data: bytes) -> None:
        end = time.thread_time() + 0.03
        while time.thread_time() < end:
            pass

    found = Found()
    found.slowest_ms = cost_ms(Parser(slow, []), b"x", found)[0]
    assert not found.good


def test_hypothesis_finds_what_is_planted_and_repeats() -> None:
    one, two = (drawn(Parser(planted, [b"\x00\x00\x00"]), 1, seconds=0, least=3000) for _ in "ab")
    assert one.unexpected
    assert one.unexpected == two.unexpected
    assert one.inputs >= 3000


@pytest.mark.slow
@pytest.mark.may_block  # processes of its own
def test_atheris_runs_and_a_run_that_ends_early_is_not_good() -> None:
    if not GUIDED.exists():
        pytest.skip("atheris is not installed: make fuzz-env (x86_64)")
    name, found = guided("tlv", 1, 0.5)
    assert (name, found.unexpected) == ("tlv", [])
    assert found.inputs > 100
    _, wrong = guided("no such parser", 1, 0.1)
    assert not wrong.good  # a run that says nothing is not a good one


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_raises_its_one_error_only(name: str) -> None:
    found = fuzz(PARSERS[name], 1, seconds=0, inputs=500)
    assert found.unexpected == []
    assert found.inputs == 500
    # Some examples must be good ones, or the mutants never get past the first check.
    accepted = [data for data in PARSERS[name].seeds if _accepted(PARSERS[name], data)]
    assert accepted, name


def _accepted(parser: Parser, data: bytes) -> bool:
    try:
        parser.run(data)
    except parser.allowed:
        return False
    return True
