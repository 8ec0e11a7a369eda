"""Writes a journal of the present schema as SQL text: kept for good once a release has it.

python -m tests.journal.released > tests/journal/schemas/0001.sql
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from pathlib import Path

import anyio

from posfw.journal.opening import APPLICATION_ID, SCHEMA_VERSION
from posfw.values.events import Record, Topic
from tests.journal.fakes import NOW, SALE, approved, offline, opened, unknown

__all__ = ["dump"]


def dump(path: Path) -> str:
    """Return a journal as SQL text with the marks that say whose it is."""
    raw = sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)
    lines = list(raw.iterdump())
    marks = [
        f"PRAGMA application_id={raw.execute('PRAGMA application_id').fetchone()[0]};",
        f"PRAGMA user_version={raw.execute('PRAGMA user_version').fetchone()[0]};",
    ]
    raw.close()
    return "\n".join([*marks, *lines]) + "\n"


async def _fill(folder: Path) -> None:
    async with opened(folder) as journal:
        await journal.append(Record(Topic.SESSION, "signed_on", NOW, body={"batch": 1}))
        for ending in (approved, unknown, offline, approved):
            await journal.conclude(ending(await journal.begin(SALE)))
        await journal.begin(SALE)  # cut before its conclusion


def main() -> None:
    """Print it."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_fill, Path(folder))
        text = dump(Path(folder) / "journal.db")
    assert f"user_version={SCHEMA_VERSION};" in text
    assert f"application_id={APPLICATION_ID};" in text
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
