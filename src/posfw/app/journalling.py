"""The journal asked from outside: by the running terminal's verbs, or in a file nobody runs.

Both ways give the same answers. `file_*` functions are for the command line where no terminal
runs; while one runs it holds the file alone, and the verbs are the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from posfw.app.later import lazily
from posfw.app.verbs import Body, Progress, Verb, text_of
from posfw.board.site import Site
from posfw.journal import anchors, reading
from posfw.journal.archive import KEEP_BATCHES
from posfw.journal.batches import transactions
from posfw.journal.checking import check_archived
from posfw.journal.store import Journal
from posfw.journal.task import (
    KEEP,
    Backup,
    BackupPolicy,
    backup,
    keep_backups,
    keep_house,
    look,
    restore,
)
from posfw.ports import Clock, SecureElement
from posfw.values.errors import CodecError, InputError, JournalCorruptError, JournalError
from posfw.values.events import Plain, Record, Topic
from posfw.values.identity import parse_key

if TYPE_CHECKING:
    from posfw.journal import export
else:
    export = lazily("posfw.journal.export")

__all__ = [
    "Journalling",
    "file_export",
    "file_life",
    "file_restore",
    "file_tail",
    "file_verify",
    "take_over_numbers",
]

T = TypeVar("T")

_CODE: Final = re.compile("[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Journalling:
    """Verbs over the open journal."""

    journal: Journal
    element: SecureElement
    clock: Clock
    site: Site

    def verbs(self) -> Mapping[str, Verb]:
        """Return the journal's verbs."""
        return {
            "journal_tail": self._tail,
            "journal_show": self._show,
            "journal_verify": self._verify,
            "journal_export": self._export,
            "journal_backup": self._backup,
            "journal_archive": self._archive,
            "journal_reopen": self._reopen,
        }

    async def _tail(self, body: Body, _: Progress) -> Body:
        limit, after = _number(body, "limit", 20), _number(body, "after", 0)
        return {"ok": True, "entries": await self.journal.tail(limit, after)}

    async def _show(self, body: Body, _: Progress) -> Body:
        return {"ok": True, **await self.journal.life(parse_key(text_of(body, "key")))}

    async def _verify(self, body: Body, _: Progress) -> Body:
        whole, code = body.get("all") is True, _code(body.get("head", ""))
        told = await self.journal.with_code(code, whole=whole) if code else None
        bad = await self.journal.verify(whole=whole)
        verdict = _verdict(bad, await self.journal.head(), await self.journal.position())
        return _witnessed(verdict, code, told)

    async def _export(self, body: Body, _: Progress) -> Body:
        form, path = _form(body), Path(text_of(body, "to"))
        first, last = str(body.get("from", "")), str(body.get("until", ""))
        found: list[dict[str, Any]] = []
        for batch in await self.journal.batch_numbers():  # a batch at a time: sales go on between
            rows = await self.journal.transactions(batch)
            found += _between(map(reading.exported, rows), first, last)
        data = await anyio.to_thread.run_sync(export.render, found, form, _shop(self.site))
        await anyio.to_thread.run_sync(_write, path, data)
        return {"ok": True, "file": str(path), "transactions": len(found)}

    async def _backup(self, body: Body, _: Progress) -> Body:
        folder, keep = Path(text_of(body, "folder")), _number(body, "keep", KEEP)
        key = self.element.chain_key()
        now = self.clock.now()
        return _copied(await backup(self.journal, folder, chain_key=key, now=now, keep=keep))

    async def _archive(self, body: Body, _: Progress) -> Body:
        steps = await self.journal.archive(self.clock.now(), _number(body, "keep", KEEP_BATCHES))
        return {"ok": True, "steps": steps}

    async def keep_copies(self, policy: BackupPolicy) -> None:
        """Copy the journal by policy until cancelled; each copy or failure is a record."""

        async def tell(what: Backup | JournalError) -> None:
            if isinstance(what, Backup):
                body: dict[str, Plain] = {"file": what.path.name, "entries": what.entry}
                await self._note("backup", body)
            else:
                await self._note("backup_failed", {"code": what.stable_code, "cause": what.cause})

        key = self.element.chain_key()
        await keep_backups(self.journal, policy, chain_key=key, clock=self.clock, tell=tell)

    async def keep_house(self, idle: Callable[[], bool]) -> None:
        """Archive and check while `idle`, until cancelled or the archive cannot be used.

        Then a record says why, and nothing more moves before the next start: sales go on.
        """

        async def tell(entries: int, bad: int | None) -> None:
            await self._note("journal_checked", {"entries": entries, "first_bad": bad})

        checks = [
            record.at
            for record in await self.journal.read(Topic.SYSTEM)
            if record.name == "journal_checked"
        ]
        last = max(checks, default=None)
        try:
            await keep_house(
                self.journal,
                clock=self.clock,
                idle=idle,
                keep=self.site.keep_batches,
                checked_at=last,
                tell=tell,
            )
        except JournalError as error:
            await self._note("archive_failed", {"code": error.stable_code, "cause": error.cause})

    async def _note(self, name: str, body: Mapping[str, Plain]) -> None:
        await self.journal.append(Record(Topic.SYSTEM, name, self.clock.now(), body=body))

    async def _reopen(self, _: Body, __: Progress) -> Body:
        await self.journal.reopen(self.clock.now())
        return {"ok": True, "in_doubt": len(await self.journal.in_doubt())}


async def take_over_numbers(journal: Journal, answer: Mapping[str, Any], now: datetime) -> bool:
    """After a sign-on: pass the last STAN and key counter that the acquirer has seen, if it says.

    Returns whether numbers were passed over: the journal was an old copy.
    """
    stan, ksn = answer.get("last_stan"), answer.get("last_counter")
    if type(stan) is int and type(ksn) is int and stan > 0:
        return await journal.catch_up(stan=stan, ksn=ksn, at=now)
    if journal.behind:
        return await journal.catch_up(stan=0, ksn=0, at=now)
    return False


def file_tail(path: Path, site: Site, limit: int, after: int) -> Body:
    """Return the newest entries of a journal that nobody runs."""
    return {"ok": True, "entries": _looked(path, reading.tail, site.terminal_id, limit, after)}


def file_life(path: Path, key: str) -> Body:
    """Return one transaction's whole life from a journal that nobody runs."""
    return {"ok": True, **_looked(path, reading.life, parse_key(key))}


def file_verify(path: Path, chain_key: bytes, *, whole: bool = False, code: str = "") -> Body:
    """Check file and chain of a journal or a copy that nobody runs.

    Args:
        path: of the file.
        chain_key: from the secure element.
        whole: its archive too.
        code: of a slip: an entry that must be there; "" for none.

    Raises:
        JournalCorruptError: the file is damaged; a broken chain is told in the answer.
        JournalArchiveError: `whole`, and the archive is missing, damaged or another's.
    """
    with look(path) as run:
        problems = run(lambda sql: sql("PRAGMA integrity_check(3)"))
        if problems != [("ok",)]:
            raise JournalCorruptError(f"The journal {path} is damaged: {problems[0][0]}.")
        if whole:
            run(check_archived)
        code = _code(code)
        told = run(anchors.with_code, code, whole=whole) if code else None
        bad = run(reading.verify, chain_key, whole=whole)
        return _witnessed(_verdict(bad, run(reading.head), run(reading.position)), code, told)


def file_export(path: Path, site: Site, form: str, first: str, last: str) -> tuple[bytes, int]:
    """Return an export of a journal that nobody runs, and its number of transactions."""
    with look(path) as run:
        every = (
            reading.exported(each)
            for batch in run(reading.batch_numbers)
            for each in run(transactions, site.terminal_id, batch)
        )
        found = list(_between(every, first, last))
    return export.render(found, form, _shop(site)), len(found)


def file_restore(copy: Path, path: Path, chain_key: bytes, now: datetime, *, behind: bool) -> Body:
    """Put a copy in the place of a journal that nobody runs; see `posfw.journal.task.restore`."""
    return _copied(restore(copy, path, chain_key=chain_key, now=now, behind=behind))


def _looked(path: Path, function: Callable[..., T], *values: Any) -> T:
    with look(path) as run:
        result: T = run(function, *values)
    return result


def _between(rows: Iterable[dict[str, Any]], first: str, last: str) -> Iterable[dict[str, Any]]:
    """Keep days from `first` to `last` inclusive, as YYYY-MM-DD; "" is open."""
    return (
        row for row in rows if first <= row["at"][:10] and (not last or row["at"][:10] <= last)
    )


def _verdict(bad: int | None, head: str, position: Mapping[str, int]) -> Body:
    return {"ok": bad is None, "first_bad": bad, "entries": position["entry"], "head": head}


def _witnessed(verdict: Body, code: str, entry: int | None) -> Body:
    """Add what a code of a slip says: the entry that has it; None means that none has."""
    if not code:
        return verdict
    ok = bool(verdict["ok"]) and entry is not None
    return {**verdict, "ok": ok, "slip": code, "slip_entry": entry}


def _code(value: Any) -> str:
    """Return a code as a slip shows it: eight hexadecimal digits, or "" for none."""
    if isinstance(value, str) and (not value or _CODE.fullmatch(value)):
        return value.upper()
    raise InputError(
        "The code of a slip has eight digits and letters A to F.",
        code="JRN-014",
        next_step="Type it as the settlement slip shows it.",
    )


def _copied(made: Backup) -> Body:
    return {"ok": True, "file": str(made.path), "entries": made.entry, "head": made.head}


def _shop(site: Site) -> tuple[str, str]:
    return site.merchant_id, site.merchant_name


def _form(body: Body) -> str:
    form = text_of(body, "format")
    if form not in export.FORMATS:
        raise CodecError(f"The format is one of {', '.join(export.FORMATS)}.")
    return form


def _number(body: Body, name: str, default: int) -> int:
    value = body.get(name, default)
    if type(value) is not int or value < 0:
        raise CodecError(f"{name!r} must be a number from 0.")
    return value


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)
