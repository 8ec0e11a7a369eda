"""CBOR diagnostic notation (RFC 8949, 8) of plain items, for people who read the vectors."""

from __future__ import annotations

import json
from typing import Any

from posfw.codec import cbor

__all__ = ["diagnose"]


def diagnose(item: Any) -> str:
    """Return one line; byte strings in hex, never their meaning."""
    if item is None or isinstance(item, bool):
        return {None: "null", True: "true", False: "false"}[item]
    if isinstance(item, int):
        return str(item)
    if isinstance(item, str):
        return json.dumps(item, ensure_ascii=False)
    if isinstance(item, bytes):
        return f"h'{item.hex()}'"
    if isinstance(item, cbor.Tag):
        return f"{item.tag}({diagnose(item.value)})"
    if isinstance(item, list):
        return f"[{', '.join(map(diagnose, item))}]"
    return "{" + ", ".join(f"{diagnose(k)}: {diagnose(v)}" for k, v in item.items()) + "}"
