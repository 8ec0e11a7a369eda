"""Rules are data, and who changes them leaves a trace: the site file against the last start (S86).

The journal keeps a digest of the file's values and of each part of it, never the values: they name
keys and addresses. A start with another digest writes which parts are others now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from posfw.board.site import Site
from posfw.ports import Clock, Records
from posfw.values.events import Plain, Record, Topic

__all__ = ["changed", "digests", "note_site"]

_HEX = 16  # digits of a part's digest: it tells values apart, it does not prove them


def digests(site: Site) -> Mapping[str, str]:
    """Return the digest of each part of a site file, by name."""
    return {
        name: hashlib.sha256(_plain(value).encode()).hexdigest()[:_HEX]
        for name, value in sorted(asdict(site).items())
    }


def _plain(value: object) -> str:
    """Write a value so that the order of a table's keys does not matter."""
    if isinstance(value, Mapping):
        rows = sorted((str(key), _plain(each)) for key, each in value.items())
        return repr(rows)
    if isinstance(value, (list, tuple)):
        return repr([_plain(each) for each in value])
    return repr(value)


def changed(records: Iterable[Record], now: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the parts that differ from the newest record, None where there is no record yet."""
    last: object = None
    for record in records:
        if record.name == "site":
            last = record.body.get("parts")
    if not isinstance(last, Mapping):
        return None
    return tuple(sorted(n for n in last.keys() | now.keys() if last.get(n) != now.get(n)))


async def note_site(records: Records, site: Site, clock: Clock) -> tuple[str, ...]:
    """Note the site file where it is new or changed; return the parts that changed."""
    now = digests(site)
    found = changed(await records.read(Topic.POLICY), now)
    if found == ():
        return ()
    whole = hashlib.sha256(_plain(now).encode()).hexdigest()
    names: list[Plain] = [*(found or ())]
    body: dict[str, Plain] = {"digest": whole, "parts": dict(now), "changed": names}
    await records.append(Record(Topic.POLICY, "site", clock.now(), body=body))
    return found or ()
