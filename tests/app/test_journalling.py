"""The journal's verbs and its two tasks, over a journal with an archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from posfw.app import journalling
from posfw.app.journalling import Journalling
from posfw.board.site import Site, parse_site
from posfw.journal.store import Journal
from posfw.journal.task import BackupPolicy
from posfw.keys import software
from posfw.sim.rig import SITE
from posfw.values.errors import InputError, JournalArchiveError
from posfw.values.events import Record, Topic
from posfw.values.printjob import JobState
from tests.journal.fakes import NOW, SALE, FixedClock, approved

TERMINAL = "12345678"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Journalling]:
    """A terminal's journal with three settled batches of one sale each."""
    keys = folder / "keys.json"
    if not await anyio.Path(keys).exists():
        make = partial(
            software.create, initial_key=bytes(32), initial_key_id=bytes(8), secret=bytes(32)
        )
        await anyio.to_thread.run_sync(make, keys)
    element = await anyio.to_thread.run_sync(software.load, keys)
    async with Journal.open(
        folder / "journal.db",
        terminal=TERMINAL,
        chain_key=element.chain_key(),
        clock=FixedClock(),
        create=True,
    ) as journal:
        for _ in range(3):
            await journal.conclude(approved(await journal.begin(SALE)))
            while (job := await journal.next_job()) is not None:
                await journal.mark(job, JobState.DONE, 1, "", NOW)
            await journal.close(await journal.freeze(NOW), {}, NOW)
        yield Journalling(journal, element, FixedClock(), site_of(folder))


def site_of(folder: Path) -> Site:
    text = SITE.format(
        merchant="898110154110001", terminal=TERMINAL, port=1, server_name="x", folder=folder
    )
    return parse_site(text, source="site.toml")


async def ask(part: Journalling, verb: str, **body: Any) -> Any:
    async def progress(_: Any) -> None:
        await anyio.lowlevel.checkpoint()

    return await part.verbs()[verb](body, progress)  # type: ignore[arg-type]  # progress unused


def at_once(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let the tasks wait for nothing, and end after some waits."""
    left = times

    async def sleep(_: float) -> None:
        nonlocal left
        await anyio.lowlevel.checkpoint()
        left -= 1
        if left < 0:
            raise StopAsyncIteration

    monkeypatch.setattr("posfw.journal.task.anyio.sleep", sleep)


async def system_records(journal: Journal) -> list[tuple[str, dict[str, Any]]]:
    return [(record.name, dict(record.body)) for record in await journal.read(Topic.SYSTEM)]


async def test_the_archive_is_made_and_checked_on_request(tmp_path: Path) -> None:
    async with running(tmp_path) as part:
        assert (await ask(part, "journal_archive", keep=1))["steps"] > 0
        for body in ({}, {"all": True}):
            assert (await ask(part, "journal_verify", **body))["first_bad"] is None
        life = await ask(part, "journal_show", key=f"{TERMINAL}-000001-000001")
        assert (life["state"], len(life["prints"])) == ("approved", 2)
        to = str(tmp_path / "all.jsonl")
        made = await ask(part, "journal_export", format="jsonl", to=to)
        assert made["transactions"] == 3
        await anyio.Path(tmp_path / "journal.db.archive").rename(tmp_path / "elsewhere")
        await part.journal.reopen(NOW)
        assert (await ask(part, "journal_verify"))["first_bad"] is None
        with pytest.raises(JournalArchiveError):
            await ask(part, "journal_verify", all=True)


async def test_a_file_that_nobody_runs_answers_with_its_archive(tmp_path: Path) -> None:
    async with running(tmp_path) as part:
        await part.journal.archive(NOW, 0)
    path, site = tmp_path / "journal.db", site_of(tmp_path)
    key = (await anyio.to_thread.run_sync(software.load, Path(site.key_file))).chain_key()

    async def looked(function: Callable[..., Any], *values: Any, **named: Any) -> Any:
        return await anyio.to_thread.run_sync(partial(function, path, *values, **named))

    verdict = await looked(journalling.file_verify, key, whole=True)
    assert (verdict["ok"], verdict["first_bad"]) == (True, None)
    assert (await looked(journalling.file_life, f"{TERMINAL}-000001-000001"))[
        "state"
    ] == "approved"
    assert (await looked(journalling.file_export, site, "csv", "", ""))[1] == 3
    assert len((await looked(journalling.file_tail, site, 500, 0))["entries"]) > 12
    data = bytearray(await anyio.Path(tmp_path / "journal.db.archive").read_bytes())
    data[8192:] = bytes(b ^ 0xFF for b in data[8192:])
    await anyio.Path(tmp_path / "journal.db.archive").write_bytes(data)
    verdict = await looked(journalling.file_verify, key)
    assert verdict["ok"]
    known = await looked(journalling.file_verify, key, code=verdict["head"].lower())
    assert (known["ok"], known["slip_entry"]) == (True, verdict["entries"])
    foreign = await looked(journalling.file_verify, key, code="00000000")
    assert (foreign["ok"], foreign["first_bad"], foreign["slip_entry"]) == (False, None, None)
    with pytest.raises(InputError):
        await looked(journalling.file_verify, key, code="not one")
    with pytest.raises(JournalArchiveError):
        await looked(journalling.file_verify, key, whole=True)


async def test_copies_are_kept_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch, 1)
    policy = BackupPolicy(tmp_path / "copies", every_s=3600.0)
    async with running(tmp_path) as part:
        with pytest.raises(StopAsyncIteration):
            await part.keep_copies(policy)
        ((name, body),) = await system_records(part.journal)
    assert name == "backup"
    assert await anyio.Path(policy.folder / body["file"]).exists()


async def test_a_copy_that_cannot_be_made_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch, 0)
    await anyio.Path(tmp_path / "copies").write_bytes(b"in the way")
    async with running(tmp_path) as part:
        with pytest.raises(StopAsyncIteration):
            await part.keep_copies(BackupPolicy(tmp_path / "copies"))
        ((name, body),) = await system_records(part.journal)
    assert (name, body["code"]) == ("backup_failed", "JRN-004")


async def test_a_check_of_this_week_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as part:
        for _ in range(2):
            at_once(monkeypatch, 2)
            with pytest.raises(StopAsyncIteration):
                await part.keep_house(lambda: True)
        ((name, body),) = await system_records(part.journal)
        assert (name, body["first_bad"]) == ("journal_checked", None)
        assert body["entries"] == (await part.journal.position())["entry"] - 1
        assert await part.journal._transact(lambda sql: sql("SELECT step > 0 FROM archived")) == [
            (1,)
        ]


async def test_a_house_that_cannot_be_kept_is_noted_and_sales_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch, 2)
    await anyio.Path(tmp_path / "journal.db.archive").write_bytes(b"not an archive" * 400)
    async with running(tmp_path) as part:
        await part.keep_house(lambda: True)
        ((name, body),) = await system_records(part.journal)
        assert (name, body["code"]) == ("archive_failed", "JRN-012")
        await part.journal.conclude(approved(await part.journal.begin(SALE)))
        await part.journal.append(Record(Topic.SYSTEM, "stopped", NOW))
