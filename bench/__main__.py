"""`make bench`: runs every claim, prints a table, writes bench/results/latest.json."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench import (
    card,
    drain,
    emv,
    flash,
    hostile,
    idle,
    image,
    journal,
    printer_latency,
    printer_render,
    printer_throttle,
    terminal,
    uplink,
    wire,
)
from bench.claim import Claim

# One module a slice; each has a table CLAIMS of name and measurement.
CLAIMS: dict[str, Callable[[], Claim]] = {
    **terminal.CLAIMS,
    **journal.CLAIMS,
    **uplink.CLAIMS,
    **drain.CLAIMS,
    **card.CLAIMS,
    **emv.CLAIMS,
    **wire.CLAIMS,
    **hostile.CLAIMS,
    **printer_render.CLAIMS,
    **printer_throttle.CLAIMS,
    **printer_latency.CLAIMS,
    **flash.CLAIMS,
    **idle.CLAIMS,
    **image.CLAIMS,
}

RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> int:
    """Run the named claims, or all; return 1 if one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CLAIMS)}; default: all")
    names = parser.parse_args().names or list(CLAIMS)
    results: dict[str, Claim] = {}
    for name in names:
        claim = results[name] = CLAIMS[name]()
        verdict = "ok" if claim.holds else "MISS"
        print(
            f"{name:16} ours {claim.ours:10.2f}  other {claim.other:10.2f} {claim.unit:10}"
            f" ratio {claim.ratio:5.2f}  limit {claim.limit:4.2f}  {verdict}"
        )
        print(f"{'':16} {claim.note}")
    RESULTS.parent.mkdir(exist_ok=True)
    document = {name: claim.document() for name, claim in results.items()}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return int(not all(claim.holds for claim in results.values()))


if __name__ == "__main__":
    sys.exit(main())
