from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import station
from station.ledger import Ledger, MacBlock, SerialRange
from station.outcome import BenchError, Exit

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NUMBERS = SerialRange.parse("P2-0001:P2-0003")
MACS = MacBlock.parse("02:00:5e:10:00:00/46")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    found = Ledger(path)
    yield found
    found.close()


def test_numbers_are_given_in_order_each_once(ledger: Ledger) -> None:
    given = [ledger.claim(f"chip{n}", NUMBERS, MACS, at=AT) for n in range(3)]
    assert [claim.serial for claim in given] == ["P2-0001", "P2-0002", "P2-0003"]
    assert [claim.mac for claim in given] == [f"02:00:5e:10:00:0{n}" for n in range(3)]
    with pytest.raises(BenchError, match="used up") as caught:
        ledger.claim("chip3", NUMBERS, None, at=AT)
    assert caught.value.code is Exit.INPUT
    assert ledger.verify()[0] == 3  # the refused claim left nothing


def test_a_unit_that_comes_again_gets_its_own_number(ledger: Ledger) -> None:
    first = ledger.claim("chip", NUMBERS, MACS, at=AT)
    again = ledger.claim("chip", NUMBERS, MACS, at=AT)
    assert (again.serial, again.mac, again.fresh) == (first.serial, first.mac, False)
    with pytest.raises(BenchError, match="not of this range"):
        ledger.claim("chip", SerialRange.parse("P3-0001:P3-0009"), None, at=AT)


def test_the_block_of_macs_ends(ledger: Ledger) -> None:
    numbers = SerialRange.parse("1:9")
    for n in range(4):
        ledger.claim(f"chip{n}", numbers, MACS, at=AT)
    with pytest.raises(BenchError, match="MAC addresses is used up"):
        ledger.claim("chip4", numbers, MACS, at=AT)
    assert ledger.claim("chip4", numbers, None, at=AT).serial == "5"


def test_processes_at_one_bench_never_share_a_number(path: Path) -> None:
    Ledger(path).close()
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from station.ledger import *\n"
        "book = Ledger(Path(sys.argv[1])); numbers = SerialRange.parse('001:999')\n"
        "for n in range(20):\n"
        "    book.claim(f'{sys.argv[2]}-{n}', numbers, None, at=datetime.now(UTC))\n"
    )
    place = str(Path(str(station.__file__)).parents[1])
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path), f"p{n}"], cwd=place)
        for n in range(4)
    ]
    assert [child.wait(60) for child in children] == [0] * 4
    book = Ledger(path)
    serials = [str(entry.body["serial"]) for entry in book.entries()]
    assert sorted(serials) == [f"{n:03}" for n in range(1, 81)]
    assert book.verify()[0] == 80
    book.close()


@pytest.mark.parametrize(
    "text", ["", "1", "5:4", "A1:B2", "01:2", "x1:x2", "1:2:3", "1:２"]
)  # fmt: skip
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchError) as caught:
        SerialRange.parse(text)
    assert caught.value.code is Exit.INPUT


@pytest.mark.parametrize(
    "text", ["", "02:00:00:00:00:00", "02:00:00:00:00:01/24", "03:00:00:00:00:00/24",
             "02:00:00:00:00:00/8", "02:00:00:00:00:00/49"],
)  # fmt: skip
def test_a_mac_block_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchError):
        MacBlock.parse(text)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = '{}'",
        "DELETE FROM entry",
        "UPDATE claim SET unit = 'x'",
        "DELETE FROM claim",
        "INSERT INTO claim VALUES ('P2-0001', 'other', NULL, '')",
        "INSERT INTO claim VALUES ('P2-0002', 'chip', NULL, '')",
    ],
)
def test_the_file_itself_refuses_changes(statement: str, ledger: Ledger, path: Path) -> None:
    ledger.claim("chip", NUMBERS, None, at=AT)
    with sqlite3.connect(path) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)
    other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = replace(body, '1', '2') WHERE number = 2",
        "UPDATE entry SET unit = 'x' WHERE number = 2",
        "UPDATE entry SET at = '2020' WHERE number = 3",
        "DELETE FROM entry WHERE number = 2",
        "DELETE FROM entry WHERE number = 1",
    ],
)
def test_who_takes_the_guards_away_is_found_by_the_chain(
    statement: str, ledger: Ledger, path: Path
) -> None:
    for n in range(3):
        ledger.append("test", f"chip{n}", {"value": 1}, at=AT)
    head = ledger.verify()[1]
    with sqlite3.connect(path) as other:
        other.executescript("DROP TRIGGER entry_kept; DROP TRIGGER entry_stays")
        other.execute(statement)
    other.close()
    with pytest.raises(BenchError) as caught:
        ledger.verify()
    assert caught.value.code is Exit.MISMATCH
    assert len(head) == 32


def test_a_cut_tail_is_found_by_the_digest_kept_elsewhere(ledger: Ledger, path: Path) -> None:
    for n in range(3):
        ledger.append("test", f"chip{n}", {}, at=AT)
    head = ledger.verify()[1]
    with sqlite3.connect(path) as other:
        other.executescript("DROP TRIGGER entry_stays; DELETE FROM entry WHERE number = 3")
    other.close()
    assert ledger.verify()[1] != head  # the chain alone cannot tell: that is what exports are for


def test_a_file_that_is_no_record_is_told(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(BenchError) as caught:
        Ledger(path)
    assert caught.value.code is Exit.INPUT


def test_a_full_disk_leaves_no_half_claim(ledger: Ledger, path: Path) -> None:
    ledger.claim("chip0", NUMBERS, None, at=AT)
    db = ledger._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(BenchError, match="Stop the bench"):
        ledger.append("test", "chip", {"much": "x" * 100_000}, at=AT)
    db.execute("PRAGMA max_page_count = 100000")
    assert ledger.verify()[0] == 1
    assert ledger.claim("chip1", NUMBERS, None, at=AT).serial == "P2-0002"
