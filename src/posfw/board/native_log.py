"""One log entry in journald's native form (systemd.journal-fields(7)): fields in, datagram out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["PRIORITY", "encode_entry", "field_name"]

# syslog severity by the level numbers of the logging module
PRIORITY: Final = {50: 2, 40: 3, 30: 4, 20: 6, 10: 7}


def field_name(key: str) -> str:
    """Return a field name of ours for an event's key: `txn` -> `POSFW_TXN`."""
    return "POSFW_" + re.sub(r"[^A-Z0-9]", "_", key.upper())[:50]


def encode_entry(fields: Mapping[str, str]) -> bytes:
    """Return the datagram; a value with a line end goes by length, so no text can add a field."""
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")
        if b"\n" in data:
            size = len(data).to_bytes(8, "little")
            parts.append(name.encode("ascii") + b"\n" + size + data + b"\n")
        else:
            parts.append(name.encode("ascii") + b"=" + data + b"\n")
    return b"".join(parts)
