"""The secure element by board profile: refused, opened, lost in the middle, and back again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posfw.app.keys import KeyCare, Keys, load_keys, open_keys, set_transport_key
from posfw.app.verbs import Body
from posfw.board.profile import BoardProfile
from posfw.board.site import Site, Timing
from posfw.keys import software
from posfw.keys.block import sealed
from posfw.ports import SecureElement
from posfw.staff.operators import Action
from posfw.values.card import CardNumber
from posfw.values.errors import ConfigError, KeyStoreError, RefusedError
from posfw.values.events import Record, Topic
from posfw.values.hardware import PrinterProfile
from posfw.values.transaction import Standing

KEYS = {"initial_key": bytes(range(32)), "initial_key_id": b"POSFW001", "secret": b"s" * 32}
LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
CARD = CardNumber("6222020000000000001")


def board(status: str, element: str) -> BoardProfile:
    return BoardProfile(
        id="bench",
        name="bench",
        status=status,
        compatible=(),
        ports={},
        printer=PrinterProfile(),
        document={"keys": {"element": element}},
    )


def site(**keys: str) -> Site:
    return Site(
        merchant_name="m",
        merchant_id="1" * 15,
        terminal_id="12345678",
        acquirer_name="a",
        addresses=(),
        server_name="a",
        ca="",
        certificate="",
        key="",
        keys=keys,
        language="en",
        ports={},
        policy={},
        timing=Timing(),
    )


def key_file(folder: Path, name: str = "keys.json", **changes: bytes) -> Path:
    path = folder / name
    software.create(path, **(KEYS | changes))
    return path


def test_a_production_profile_refuses_keys_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        open_keys(board("supported", "software"), site(file=str(key_file(tmp_path))))
    assert refused.value.stable_code == "CFG-010"


def test_a_simulated_board_opens_its_file(tmp_path: Path) -> None:
    opened = open_keys(board("simulated", "software"), site(file=str(key_file(tmp_path))))
    assert opened.initial_key_id == KEYS["initial_key_id"]
    assert opened.mac_key(1).mac(b"x") == software.SoftwareElement(**KEYS).mac_key(1).mac(b"x")


def test_a_site_that_lacks_what_the_element_needs_is_named() -> None:
    with pytest.raises(ConfigError, match=r"keys\.library"):
        open_keys(board("supported", "pkcs11"), site())
    with pytest.raises(ConfigError, match=r"keys\.file"):
        open_keys(board("simulated", "software"), site())


@pytest.mark.may_block  # a key file is read when it comes back
async def test_a_lost_element_is_out_of_service_and_comes_back_by_itself(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    opened = Keys(lambda: software.load(path))
    status = opened.verbs()["keys"]
    assert (await status({}, lambda _: None))["state"] == "in_service"
    opened.broken(KeyStoreError("pulled", code="SEC-011"))
    hidden = path.rename(tmp_path / "away")
    with pytest.raises(KeyStoreError):
        opened.token(CARD)
    told = await status({}, lambda _: None)
    assert (told["state"], told["code"]) == ("out_of_service", "SEC-001")
    assert told["cause"]
    assert told["next_step"]
    assert opened.initial_key_id == KEYS["initial_key_id"]  # the record of what was lost
    hidden.rename(path)
    assert opened.token(CARD) == software.SoftwareElement(**KEYS).token(CARD)
    assert opened.fault is None


def test_another_terminals_element_is_not_taken_instead(tmp_path: Path) -> None:
    ours = key_file(tmp_path)
    other = key_file(tmp_path, "other.json", initial_key_id=b"POSFW002")
    paths = iter([ours, other])
    opened = Keys(lambda: software.load(next(paths)))
    opened.broken(KeyStoreError("pulled"))
    with pytest.raises(KeyStoreError) as refused:
        opened.chain_key()
    assert refused.value.stable_code == "SEC-014"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a token with this terminal's keys, in a process-wide library: one test at a time."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not Path(LIBRARY).exists() or not shutil.which("softhsm2-util"):
        pytest.skip("softhsm2 is missing: apt-get install softhsm2")
    folder = tmp_path / "tokens"
    folder.mkdir()
    (tmp_path / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}\nlog.level = ERROR\n"
    )
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    label = tmp_path.name
    made = [
        "softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678",
        "--pin", "87654321",
    ]  # fmt: skip
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "pin").write_text("87654321\n")
    (tmp_path / "pin").chmod(0o600)
    return site(library=LIBRARY, token=label, pin_file=str(tmp_path / "pin"))


SCRIPT = """
import shutil, sys
from pathlib import Path
import pkcs11
from posfw.app.keys import open_keys
from posfw.app.keys import load_keys, set_transport_key
from posfw.keys import software, token as token_keys
from posfw.keys.block import sealed
from posfw.values.errors import KeyStoreError
from tests.app.test_keys import CARD, KEYS, LIBRARY, board, site

label, pin, tokens = sys.argv[1:]
here = site(library=LIBRARY, token=label, pin_file=pin)
profile = board("supported", "pkcs11")

def code(what):
    try:
        what()
    except KeyStoreError as error:
        return error.stable_code
    return "ok"

session = token_keys.open_session(LIBRARY, label, "87654321")
print("no keys", code(lambda: open_keys(profile, here)))
block = sealed(b"T" * 32, **KEYS)
print("no transport key", code(lambda: load_keys(profile, here, block, None)))
transport = Path(pin).with_name("transport")
transport.write_text((b"T" * 32).hex())
transport.chmod(0o600)
set_transport_key(profile, here, transport)
print("loaded", code(lambda: load_keys(profile, here, block, None)))
print("loaded twice", code(lambda: load_keys(profile, here, block, None)))
session.close()
print("no such token", code(lambda: token_keys.open_session(LIBRARY, "other", "1")))
print("wrong PIN", code(lambda: token_keys.open_session(LIBRARY, label, "00000000")))
keys = open_keys(profile, here)
key = keys.mac_key(1)
print("works", code(lambda: keys.token(CARD)))
keys._element._secret.session.close()
print("session gone", code(lambda: key.mac(b"x")))
print("opened again", code(lambda: keys.token(CARD)))
pulled = Path(tokens).rename(tokens + ".pulled")
Path(tokens).mkdir()
keys._element._secret.session.close()
token_keys.pkcs11.lib(LIBRARY).reinitialize()
print("pulled", code(lambda: keys.token(CARD)), code(lambda: keys.chain_key()))
Path(tokens).rmdir()
pulled.rename(tokens)
token_keys.pkcs11.lib(LIBRARY).reinitialize()
print("back", code(lambda: keys.token(CARD)))
print(keys.check_values() == software.SoftwareElement(**KEYS).check_values())
keys.wipe()
print("wiped", code(lambda: keys.mac_key(1)), code(lambda: open_keys(profile, here)))
"""


@pytest.mark.slow
def test_every_fault_of_a_token_has_its_code_and_it_comes_back(token: Site) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, token.keys["token"], token.keys["pin_file"],
         str(Path(token.keys["pin_file"]).parent / "tokens")],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "no keys SEC-001",
        "no transport key SEC-018",
        "loaded ok",
        "loaded twice SEC-004",
        "no such token SEC-011",
        "wrong PIN SEC-012",
        "works ok",
        "session gone SEC-011",
        "opened again ok",
        "pulled SEC-011 SEC-011",
        "back ok",
        "True",
        "wiped SEC-015 SEC-001",
    ]


def test_a_key_holder_is_a_secure_element(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    held: SecureElement = Keys(lambda: software.load(path))
    data = held.data_key(1).encrypt(bytes(12), b"x", b"")
    assert held.data_key(1).decrypt(bytes(12), data, b"") == b"x"
    assert replace(site(), keys={}).key_file == ""


@dataclass
class Office:
    """A journal's standing, its records, and a supervisor who approves or not."""

    standing_value: Standing = field(default_factory=lambda: Standing(batch=1, next_stan=1))
    rows: list[Record] = field(default_factory=list)
    asked: list[tuple[Action, str]] = field(default_factory=list)
    willing: bool = True

    async def standing(self) -> Standing:
        return self.standing_value

    async def append(self, *records: Record) -> None:
        self.rows += records

    async def approve(self, body: Body, action: Action, subject: str) -> None:
        self.asked.append((action, subject))
        if not self.willing:
            raise RefusedError("A supervisor must approve this.", code="OPR-120")


class Noon:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 24, 12, tzinfo=UTC)


def care(tmp_path: Path, desk: Office) -> tuple[KeyCare, Path]:
    path = key_file(tmp_path)
    keys = Keys(lambda: software.load(path))
    return KeyCare(keys, desk, desk.approve, Noon()), path


@pytest.mark.may_block  # a key file is erased
async def test_an_approved_wipe_is_on_record_and_ends_the_keys(tmp_path: Path) -> None:
    desk = Office()
    found, path = care(tmp_path, desk)
    verbs = found.verbs()
    told = await verbs["keys_wipe"]({}, lambda _: None)
    assert told == {"ok": True, "state": "wiped", "key_id": KEYS["initial_key_id"].hex()}
    assert desk.asked == [(Action.KEYS, KEYS["initial_key_id"].hex())]
    assert [(each.topic, each.name) for each in desk.rows] == [(Topic.SYSTEM, "keys_wiped")]
    assert not path.exists()
    status = await verbs["keys"]({}, lambda _: None)
    assert (status["state"], status["code"]) == ("out_of_service", "SEC-015")
    key_file(tmp_path)  # keys that somebody puts there are not taken without a restart
    with pytest.raises(KeyStoreError) as refused:
        found.keys.mac_key(1)
    assert refused.value.stable_code == "SEC-015"


@pytest.mark.may_block
@pytest.mark.parametrize(
    "standing",
    [
        Standing(1, 1, in_doubt=1),
        Standing(1, 1, reversals=1),
        Standing(1, 1, offline_count=1),
        Standing(1, 1, records=1),
    ],
)
async def test_keys_that_are_still_needed_are_not_wiped(
    tmp_path: Path, standing: Standing
) -> None:
    desk = Office(standing)
    found, path = care(tmp_path, desk)
    with pytest.raises(RefusedError) as refused:
        await found.verbs()["keys_wipe"]({}, lambda _: None)
    assert refused.value.stable_code == "SEC-016"
    assert (desk.asked, desk.rows) == ([], [])
    assert path.exists()
    assert found.keys.fault is None


@pytest.mark.may_block
async def test_without_approval_nothing_is_wiped(tmp_path: Path) -> None:
    desk = Office(willing=False)
    found, path = care(tmp_path, desk)
    with pytest.raises(RefusedError):
        await found.verbs()["keys_wipe"]({}, lambda _: None)
    assert desk.rows == []
    assert path.exists()
    assert found.keys.token(CARD)


@pytest.mark.may_block
async def test_the_status_shows_check_values_and_no_key(tmp_path: Path) -> None:
    found, _ = care(tmp_path, Office())
    told = await found.verbs()["keys"]({}, lambda _: None)
    checks = software.SoftwareElement(**KEYS).check_values()
    assert (told["check"], told["secret_check"]) == tuple(each.hex() for each in checks)
    assert KEYS["initial_key"].hex() not in str(told)


def test_a_key_block_is_loaded_into_a_file_once(tmp_path: Path) -> None:
    text, transport = sealed(b"T" * 32, **KEYS), tmp_path / "transport"
    transport.write_text((b"T" * 32).hex() + "\n")
    transport.chmod(0o600)
    profile, here = board("simulated", "software"), site(file=str(tmp_path / "keys.json"))
    with pytest.raises(ConfigError, match="--transport"):
        load_keys(profile, here, text, None)
    made = load_keys(profile, here, text, transport)
    assert made.check_values() == software.SoftwareElement(**KEYS).check_values()
    assert open_keys(profile, here).check_values() == made.check_values()
    before = (tmp_path / "keys.json").read_bytes()
    with pytest.raises(KeyStoreError) as refused:
        load_keys(profile, here, text, transport)
    assert refused.value.stable_code == "SEC-004"
    assert (tmp_path / "keys.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        ("00" * 32, 0o600, "SEC-017"),
        ("54" * 32, 0o640, "SEC-002"),
        ("key", 0o600, "SEC-003"),
        ("54" * 16, 0o600, "SEC-003"),
    ],
)
def test_a_transport_key_that_is_none_loads_nothing(
    tmp_path: Path, content: str, mode: int, code: str
) -> None:
    transport = tmp_path / "transport"
    transport.write_text(content)
    transport.chmod(mode)
    profile, here = board("simulated", "software"), site(file=str(tmp_path / "keys.json"))
    with pytest.raises(KeyStoreError) as refused:
        load_keys(profile, here, sealed(b"T" * 32, **KEYS), transport)
    assert refused.value.stable_code == code
    assert not (tmp_path / "keys.json").exists()


def test_a_production_profile_loads_no_keys_into_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_keys(board("supported", "software"), site(file="x"), sealed(b"T" * 32, **KEYS), None)
    assert refused.value.stable_code == "CFG-010"


@pytest.mark.may_block
def test_chance_and_cmac_go_through_the_holder(tmp_path: Path) -> None:
    found, _ = care(tmp_path, Office())
    assert len(found.keys.random(16)) == 16
    expected = software.SoftwareElement(**KEYS).cmac_key(3).mac(b"x")
    assert found.keys.cmac_key(3).mac(b"x") == expected


def test_a_board_without_a_token_takes_no_transport_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no token"):
        set_transport_key(board("simulated", "software"), site(file="x"), tmp_path / "none")
