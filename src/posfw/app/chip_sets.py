"""The acquirer's set `emv`: applications, action codes and CA keys, as they come over the line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from posfw.emv.loading import from_plain
from posfw.emv.parameters import EmvParameters

__all__ = ["EMV", "emv_set", "set_facts"]

EMV: Final = "emv"  # the acquirer's set that holds applications, action codes and CA keys


def emv_set(values: Mapping[str, Any]) -> EmvParameters:
    """Return what the acquirer's set `emv` says: the shape of docs/emv.md and its version.

    Raises:
        ConfigError: lists every mistake; a set is never used in part.
    """
    told = {name: value for name, value in values.items() if name != "version"}
    return from_plain(told, source=f"{EMV} {values.get('version')}")


def set_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person asks of the set: applications, keys, what is revoked or listed."""
    made = emv_set(values)
    return {
        "version": values.get("version"),
        "applications": [each.aid.hex().upper() for each in made.aids],
        "ca_keys": [
            {
                "rid": key.rid.hex().upper(),
                "index": f"{key.index:02X}",
                "bits": len(key.modulus) * 8,
                "expires": key.expires.isoformat() if key.expires else None,
            }
            for key in made.ca_keys
        ],
        "revoked": len(made.revoked),
        "exceptions": len(made.exceptions.cards),
    }
