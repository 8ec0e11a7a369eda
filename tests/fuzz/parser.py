"""What the fuzzers are told of a parser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posfw.values.errors import InputError

__all__ = ["Parser"]


@dataclass(frozen=True, slots=True)
class Parser:
    """One parser.

    Attributes:
        run: takes bytes and returns something or raises an allowed error.
        seeds: examples, good ones among them.
        allowed: the one kind of error that it may raise.
    """

    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    allowed: type[Exception] = InputError
