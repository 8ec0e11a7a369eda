"""What a running terminal can be asked: tables of verbs, one a part, merged by the wiring.

A verb takes the request's fields and a way to tell progress, and returns a JSON-able result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from posfw.values.errors import CodecError, MisuseError

__all__ = ["Body", "Handler", "Progress", "Verb", "dispatcher", "operator_of", "text_of"]

Body = Mapping[str, Any]
Progress = Callable[[Body], None]
Verb = Callable[[Body, Progress], Awaitable[Body]]
Handler = Callable[[str, Body, Progress], Awaitable[Body]]


def dispatcher(*tables: Mapping[str, Verb]) -> Handler:
    """Join tables into the control socket's handler; it raises CodecError on an unknown verb.

    Raises:
        MisuseError: two parts claim the same verb.
    """
    verbs: dict[str, Verb] = {}
    for table in tables:
        twice = verbs.keys() & table.keys()
        if twice:
            raise MisuseError(f"Two parts claim the verbs {', '.join(sorted(twice))}.")
        verbs.update(table)

    async def handle(verb: str, body: Body, progress: Progress) -> Body:
        if verb not in verbs:
            raise CodecError(f"The verb {verb[:20]!r} is not known; known: {', '.join(verbs)}.")
        return await verbs[verb](body, progress)

    return handle


def operator_of(body: Body, default: str) -> str:
    """Return who asks: two digits."""
    operator = str(body.get("operator", default))
    if len(operator) != 2 or not (operator.isascii() and operator.isdigit()):
        raise CodecError("The operator is two digits.")
    return operator


def text_of(body: Body, name: str) -> str:
    """Return a field that must be a text."""
    value = body.get(name)
    if not isinstance(value, str):
        raise CodecError(f"{name!r} must be a text.")
    return value
