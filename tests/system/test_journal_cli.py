"""`posfw journal` as a person uses it: on a file that nobody runs, and asked of a terminal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from posfw.app.control import serve
from posfw.app.journalling import Journalling, take_over_numbers
from posfw.app.verbs import dispatcher
from posfw.app.world import SystemClock
from posfw.board.site import Site, parse_site
from posfw.cli.main import main
from posfw.journal.store import Journal
from posfw.keys import software
from posfw.sim.rig import SITE
from posfw.values.errors import JournalBehindError
from posfw.values.texts import ENGLISH
from tests.journal.fakes import NOW, SALE, approved

pytestmark = [pytest.mark.system, pytest.mark.may_block]

TERMINAL = "12345678"
KEY = f"{TERMINAL}-000001-000002"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A terminal's folder with a site file, keys and three sales."""
    software.create(
        tmp_path / "keys.json", initial_key=bytes(32), initial_key_id=bytes(8), secret=bytes(32)
    )
    site = SITE.format(
        merchant="898110154110001", terminal=TERMINAL, port=1, server_name="x", folder=tmp_path
    )
    (tmp_path / "site.toml").write_text(site, encoding="utf-8")

    async def sell() -> None:
        async with opened(tmp_path) as journal:
            for _ in range(3):
                await journal.conclude(approved(await journal.begin(SALE)))

    anyio.run(sell)
    return tmp_path


def site_of(state: Path) -> Site:
    path = state / "site.toml"
    return parse_site(path.read_text(encoding="utf-8"), source=str(path))


def opened(state: Path) -> Any:
    return Journal.open(
        state / "journal.db",
        terminal=TERMINAL,
        chain_key=software.load(state / "keys.json").chain_key(),
        clock=SystemClock(),
        create=True,
    )


@asynccontextmanager
async def running(state: Path) -> Any:
    """The journal's verbs behind a control socket, as the terminal serves them."""
    async with opened(state) as journal, anyio.create_task_group() as group:
        part = Journalling(
            journal, software.load(state / "keys.json"), SystemClock(), site_of(state)
        )
        handler = dispatcher(part.verbs())
        await group.start(serve, state / "control.sock", handler, group, ENGLISH)
        yield journal
        group.cancel_scope.cancel()


def posfw(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, Any, str]:
    """Run a command in this process; return exit code, its JSON document, what it told."""
    code = main(["journal", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def contents(state: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in state.glob("journal.db*")}


def test_a_file_that_nobody_runs_is_read_without_a_touch(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(state)
    code, body, _ = posfw(capsys, "verify", "--state", state)
    assert (code, body["result"]["entries"], body["result"]["first_bad"]) == (0, 6, None)
    code, body, _ = posfw(capsys, "tail", "-n", "2", "--state", state)
    assert [entry["name"] for entry in body["result"]["entries"]] == ["begun", "concluded"]
    code, body, _ = posfw(capsys, "show", KEY, "--state", state)
    assert (code, body["result"]["state"], len(body["result"]["life"])) == (0, "approved", 2)
    out = state / "out.csv"
    code, body, _ = posfw(capsys, "export", "-o", out, "--state", state)
    assert (code, body["result"]["transactions"]) == (0, 3)
    assert out.stat().st_mode & 0o077 == 0
    assert contents(state) == before


def test_days_bound_an_export(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = state / "out.jsonl"
    day, next_day = "2026-03-02", "2026-03-03"
    assert f"{NOW:%Y-%m-%d}" == day
    for first, last, count in ((day, day, 3), (next_day, next_day, 0)):
        _, body, _ = posfw(
            capsys,
            *("export", "--format", "jsonl", "--from", first, "--to", last),
            *("-o", out, "--state", state),
        )
        assert body["result"]["transactions"] == count
        assert len(out.read_text(encoding="utf-8").splitlines()) == count


def test_a_slips_code_is_held_against_a_file(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body, _ = posfw(capsys, "verify", "--state", state)
    head = body["result"]["head"]
    code, body, _ = posfw(capsys, "verify", "--head", head, "--state", state)
    assert (code, body["result"]["slip_entry"]) == (0, 6)
    code, body, _ = posfw(capsys, "verify", "--head", "00C0FFEE", "--state", state)
    assert (code, body["result"]["first_bad"]) == (6, None)
    assert main(["journal", "verify", "--head", "00C0FFEE", "--state", str(state)]) == 6
    assert "No entry has the code 00C0FFEE" in capsys.readouterr().out


async def test_a_running_terminal_finds_a_slips_code(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(state) as journal:
        head = await journal.head()

        async def verify(code: str) -> tuple[int, Any, str]:
            arguments = ("verify", "--head", code, "--state", state)
            return await anyio.to_thread.run_sync(lambda: posfw(capsys, *arguments))

        code, body, _ = await verify(head)
        assert (code, body["result"]["slip_entry"]) == (0, 6)
        assert (await verify("00C0FFEE"))[0] == 6


def test_verify_names_the_first_bad_entry_and_exits_with_six(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = sqlite3.connect(state / "journal.db")
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    raw.execute("UPDATE entry SET operator = '77' WHERE number = 4")
    raw.commit()
    raw.close()
    code, body, _ = posfw(capsys, "verify", "--state", state)
    assert (code, body["result"]["first_bad"]) == (6, 4)
    assert main(["journal", "verify", "--state", str(state)]) == 6
    assert "Entry 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"no database" * 500, "journal.db cannot be read"), (None, "no journal")],
)
def test_a_bad_file_is_told_with_cause_and_next_step(
    state: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, words: str
) -> None:
    path = state / "journal.db"
    path.unlink() if content is None else path.write_bytes(content)
    code, body, err = posfw(capsys, "verify", "--state", state)
    assert code == 6
    assert words in body["cause"]
    assert str(path) in body["cause"]
    assert body["next_step"] in err
    assert (path.read_bytes() if path.exists() else None) == content


def test_an_unknown_key_exits_with_four(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, body, _ = posfw(capsys, "show", f"{TERMINAL}-000001-000099", "--state", state)
    assert (code, body["code"]) == (4, "SAL-301")


async def test_a_running_terminal_answers_the_same(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = [("verify",), ("tail", "-n", "6"), ("show", KEY)]

    async def ask(*arguments: str | Path) -> tuple[int, Any, str]:
        return await anyio.to_thread.run_sync(lambda: posfw(capsys, *arguments, "--state", state))

    alone = [(await ask(*each))[:2] for each in still]
    async with running(state):
        assert [(await ask(*each))[:2] for each in still] == alone
        for form in ("csv", "xlsx", "jsonl"):
            out = state / f"out.{form}"
            code, body, _ = await ask("export", "--format", form, "-o", out)
            assert (code, body["result"]["transactions"]) == (0, 3)
            served = out.read_bytes()
            out.unlink()
            copies = state / "copies"
            code, body, _ = await ask("backup", copies, "--keep", "2")
            assert code == 0
            copy = body["result"]["file"]
            code, body, _ = await ask("export", "--format", form, "-o", out, "--file", copy)
            assert out.read_bytes() == served
        assert len(list(copies.iterdir())) <= 2
        code, body, _ = await ask("reopen")
        assert (code, body["result"]["in_doubt"]) == (0, 0)
        code, _, err = await ask("restore", copy)
        assert code == 7
        assert "holds the journal" in err


async def test_an_older_copy_sells_nothing_before_a_sign_on(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(*arguments: str | Path) -> tuple[int, Any, str]:
        return await anyio.to_thread.run_sync(lambda: posfw(capsys, *arguments, "--state", state))

    async with running(state) as journal:
        _, body, _ = await ask("backup", state / "copies")
        copy = body["result"]["file"]
        await journal.conclude(approved(await journal.begin(SALE)))
    code, body, _ = await ask("restore", copy)
    assert (code, body["code"]) == (6, "JRN-008")
    code, body, _ = await ask("restore", copy, "--behind")
    assert code == 0
    async with opened(state) as journal:
        with pytest.raises(JournalBehindError):
            await journal.begin(SALE)
        told = {"response_code": "00", "last_stan": 4, "last_counter": 9}
        assert await take_over_numbers(journal, told, NOW)
        begun = await journal.begin(SALE)
        assert (begun.key.stan, begun.ksn_counter) == (5, 10)
