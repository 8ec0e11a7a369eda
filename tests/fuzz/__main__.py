"""Throw mutants at every parser and end with one JSON line.

    python -m tests.fuzz SECONDS [--seed N] [--only PARSER …] [--decoder N]

SECONDS of every processor are shared by the parsers; `--decoder N` gives the CBOR decoder at least
so many mutants. Exit code 1 if a parser raised another error than its one, took more than 20 ms of
processor time for one input, or grew by more than 8 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.fuzz.fire import Found, job, joined
from tests.fuzz.parsers import PARSERS


def main() -> int:
    """Run them all."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seconds", type=float)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="*", choices=list(PARSERS), default=list(PARSERS))
    arguments.add_argument("--decoder", type=int, default=0, metavar="N")
    told = arguments.parse_args()
    workers = os.cpu_count() or 1
    # The decoder's mutants are spread over all processors; every other parser has one job.
    jobs = [(name, 0, 0) for name in told.only if name != "cbor"]
    jobs += [("cbor", part, -(-told.decoder // workers)) for part in range(workers)][::-1] * (
        "cbor" in told.only
    )
    share = told.seconds * workers / len(jobs)
    parts: dict[str, list[Found]] = {name: [] for name in told.only}
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [
            pool.submit(job, name, told.seed + 1000 * part, share, inputs)
            for name, part, inputs in reversed(jobs)
        ]
        for done in running:
            name, found = done.result()
            parts[name].append(found)
    results = {name: joined(found) for name, found in parts.items()}
    for name, found in results.items():
        for line in found.unexpected[:5]:
            sys.stderr.write(f"{name}: {line}\n")
    documents = {name: found.document() for name, found in results.items()}
    sys.stdout.write(json.dumps(documents) + "\n")
    return int(not all(found.good for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
