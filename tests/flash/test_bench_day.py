"""A bench day: write, provision, end-of-line test, record, labels; five units, two of them bad."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from station import endofline, flash, provision, record
from station.ledger import Ledger
from station.outcome import BenchError, Exit

from tests.flash.benchtools import make_image, make_target

UNIT = Path(__file__).with_name("unit_agent.py")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger.db"

    def agent(self, unit: str, fault: str = "") -> str:
        place = self.folder / "units" / unit
        place.parent.mkdir(exist_ok=True)
        return f"{sys.executable} {UNIT} {place}" + (f" '{fault}'" if fault else "")

    def provision(self, unit: str, fault: str = "", serials: str = "P2-001:P2-009") -> int:
        return provision.main(
            ["--ledger", str(self.ledger), "--agent", self.agent(unit, fault),
             "--serials", serials, "--macs", "02:00:5e:10:00:00/40",
             "--out", str(self.folder / "csr"), "--operator", "01", "--json"]
        )  # fmt: skip

    def test(self, unit: str, fault: str = "", *must: str) -> int:
        steps = [word for step in must for word in ("--must", step)]
        return endofline.main(
            ["--ledger", str(self.ledger), "--agent", self.agent(unit, fault), "--operator", "01",
             "--json", *steps]
        )  # fmt: skip

    def record(self, *arguments: str) -> int:
        return record.main(["--ledger", str(self.ledger), *arguments])

    def rows(self) -> list[dict[str, object]]:
        out = self.folder / "export.json"
        assert self.record("export", "--out", str(out)) == 0
        found: list[dict[str, object]] = json.loads(out.read_text(encoding="utf-8"))["entries"]
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.slow
def test_five_units_of_which_two_are_bad(bench: Bench, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image")
    targets = [make_target(tmp_path, f"chip{n}") for n in range(5)]
    short = make_target(tmp_path, "tiny", 1000)
    written = ["--unsigned", "--yes", "--ledger", str(bench.ledger), "--progress", "none"]
    written += ["--state", str(tmp_path / "state"), "--operator", "01"]
    idents = [word for disk in targets for word in ("--target", disk.ident)]
    assert flash.main([str(image), *idents, "--target", short.ident, *written]) == Exit.REFUSED
    assert not bench.ledger.exists()  # a refused order writes nothing, not even for good targets
    assert flash.main([str(image), *idents, *written]) == 0
    faults = {"chip1": "forgets", "chip3": "cold head"}
    ended = {}
    for disk in targets:
        fault = faults.get(disk.serial, "")
        ended[disk.serial] = bench.provision(disk.serial, fault) or bench.test(disk.serial, fault)
    assert ended == {
        "chip0": 0, "chip1": Exit.MISMATCH, "chip2": 0, "chip3": Exit.FAILED, "chip4": 0,
    }  # fmt: skip
    rows = bench.rows()
    used = {row["unit"]: row["serial"] for row in rows if row["state"] == "used"}
    assert used == {"chip0": "P2-001", "chip2": "P2-003", "chip3": "P2-004", "chip4": "P2-005"}
    assert [row["unit"] for row in rows if row["kind"] == "write"] == [
        f"chip{n}" for n in range(5)
    ]
    # The bad unit comes back repaired and keeps its number; nobody else ever gets it.
    assert bench.provision("chip1") == 0
    assert {row["serial"] for row in bench.rows() if row["unit"] == "chip1"} <= {"P2-002", None}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("silent", Exit.DEVICE),
        ("dies at write", Exit.DEVICE),
        ("dies at read", Exit.DEVICE),
        ("forgets", Exit.MISMATCH),
        ("dies at request", Exit.DEVICE),
        ("other name", Exit.MISMATCH),
        ("bad csr", Exit.MISMATCH),
        ("leaks", Exit.MISMATCH),
    ],
)
def test_a_unit_that_fails_keeps_its_number_and_nothing_is_used(
    fault: str, code: Exit, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.provision("chip", fault) == code
    told = capsys.readouterr()
    assert "PRIVATE" not in told.out + told.err.replace("private", "")
    if bench.ledger.exists():
        book = Ledger(bench.ledger)
        text = json.dumps([dict(entry.body) for entry in book.entries()])
        book.close()
        assert "BEGIN" not in text
        assert '"used"' not in text
    assert not (bench.folder / "csr").exists()
    assert bench.provision("chip") == 0
    assert (bench.folder / "csr" / "P2-001.csr").is_file()


def test_a_used_up_range_claims_nothing(bench: Bench) -> None:
    assert bench.provision("chip0", serials="P2-001:P2-001") == 0
    assert bench.provision("chip1", serials="P2-001:P2-001") == Exit.INPUT
    assert not (bench.folder / "units" / "chip1" / "state.json").exists()


@pytest.mark.parametrize(
    ("fault", "must", "code"),
    [
        ("", (), Exit.OK),
        ("cold head", (), Exit.FAILED),
        ("skips", (), Exit.FAILED),
        ("skips", ("head", "storage"), Exit.OK),
        ("", ("watchdog",), Exit.FAILED),
        ("silent", (), Exit.DEVICE),
    ],
)
def test_a_step_that_did_not_run_is_no_step_that_passed(
    fault: str, must: tuple[str, ...], code: Exit, bench: Bench
) -> None:
    assert bench.test("chip", fault, *must) == code


@pytest.mark.parametrize(
    "verdict",
    [{}, {"schema": "posfw.selftest", "steps": []}, {"schema": "x", "steps": [{}]},
     {"schema": "posfw.selftest", "steps": [{"id": "a", "state": "great"}]},
     {"schema": "posfw.selftest", "steps": [{"id": "a", "state": "pass"}] * 2}],
)  # fmt: skip
def test_what_is_no_verdict_passes_nobody(verdict: dict[str, object]) -> None:
    with pytest.raises(BenchError) as caught:
        endofline.judge(verdict, [])
    assert caught.value.code is Exit.DEVICE


def test_the_record_is_exported_and_unknown_stays_unknown(bench: Bench) -> None:
    assert bench.record("verify") == Exit.NOT_FOUND
    assert bench.provision("chip", "forgets") == Exit.MISMATCH
    (failed,) = [row for row in bench.rows() if row["state"] == "failed"]
    body = failed["body"]
    assert isinstance(body, dict)
    assert body["observed"] == {"serial": "forgot", "mac": "02:00:5e:10:00:00", "request": None}
    out = bench.folder / "export.csv"
    assert bench.record("export", "--format", "csv", "--out", str(out)) == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    assert rows[0]["serial"] == "P2-001"
    assert rows[0]["ok"] == ""


def test_a_cell_never_begins_a_formula(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "l.db")
    body = {"reason": "=HYPERLINK(1)", "serial": "@x"}
    book.append("test", "-1+1", body, at=datetime(2026, 1, 1, tzinfo=UTC))
    (row,) = csv.DictReader(io.StringIO(record.export_csv(list(book.entries()))))
    book.close()
    assert (row["reason"], row["serial"], row["unit"]) == ("'=HYPERLINK(1)", "'@x", "'-1+1")


def test_only_a_finished_unit_gets_a_label(bench: Bench) -> None:
    out = bench.folder / "label"
    assert bench.provision("chip0", "dies at request") == Exit.DEVICE
    assert bench.record("label", "P2-001", "--out", str(out)) == Exit.REFUSED
    assert bench.provision("chip0") == 0
    assert bench.record("label", "P2-001", "--out", str(out)) == 0
    data = out.read_bytes()
    # The length field of GS ( k counts cn, fn, m and the data (Epson ESC/POS, function 180).
    at = data.index(b"1P0P2-001")
    assert int.from_bytes(data[at - 2 : at], "little") == 3 + len("P2-001")
    assert b"P2-001\n02:00:5e:10:00:00\n" in data
