"""Modules and parts that the first card does not need: loaded behind it, or when asked sooner.

A quarter of a start was spent on classes for goods, fees, charts and acceptance runs before the
reader was open (docs/decisions/0010). `lazily` stands in for such a module; `load` fetches what is
left in a worker thread once the terminal is ready, so that no cashier waits for it either.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

import anyio.to_thread

from posfw.app.verbs import Body, Progress, Verb

__all__ = ["Lazily", "behind", "later", "lazily", "load", "loaded"]

_named: list[str] = []


class Lazily:
    """Stands in for a module until something of it is used."""

    __slots__ = ("_module_name",)

    def __init__(self, name: str) -> None:
        self._module_name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._module_name), name)


def lazily(name: str) -> Any:
    """Return a stand-in for a module; the import that types see stands under TYPE_CHECKING."""
    _named.append(name)
    return Lazily(name)


def load() -> None:
    """Import every module that was named to `lazily`, and what those name; takes a while."""
    while _named:  # loading one may name more
        name = _named[0]
        importlib.import_module(name)
        with suppress(ValueError):  # another thread was as far
            _named.remove(name)


async def loaded() -> None:
    """Return once every named module is there; the loop goes on while a worker imports them."""
    if _named:
        await anyio.to_thread.run_sync(load)


def behind(table: Mapping[str, Verb]) -> dict[str, Verb]:
    """Return the same verbs, each waiting for the modules first."""

    def verb(ask: Verb) -> Verb:
        async def wait(body: Body, progress: Progress) -> Body:
            await loaded()
            return await ask(body, progress)

        return wait

    return {name: verb(ask) for name, ask in table.items()}


class _Part(Protocol):
    def verbs(self) -> Mapping[str, Verb]: ...


def later(names: Iterable[str], part: Callable[[], _Part]) -> dict[str, Verb]:
    """Return the verbs of a part that is built when the first of them is asked for.

    Args:
        names: of its verbs; the part's table must have exactly these.
        part: builds the part.
    """
    table = cache(lambda: part().verbs())

    def verb(name: str) -> Verb:
        async def ask(body: Body, progress: Progress) -> Body:
            await loaded()
            return await table()[name](body, progress)

        return ask

    return {name: verb(name) for name in names}
