"""The secure element by board profile: refused, opened, lost in the middle, and back again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from posfw.app.keys import Keys, open_keys
from posfw.board.profile import BoardProfile
from posfw.board.site import Site, Timing
from posfw.keys import software
from posfw.ports import SecureElement
from posfw.values.card import CardNumber
from posfw.values.errors import ConfigError, KeyStoreError
from posfw.values.hardware import PrinterProfile

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
from posfw.keys import pkcs11 as token_keys
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
token_keys.provision(session, **KEYS)
session.close()
print("no such token", code(lambda: token_keys.open_session(LIBRARY, "other", "1")))
print("wrong PIN", code(lambda: token_keys.open_session(LIBRARY, label, "00000000")))
keys = open_keys(profile, here)
key = keys.mac_key(1)
print("works", code(lambda: keys.token(CARD)))
keys._element._secret._key.session.close()
print("session gone", code(lambda: key.mac(b"x")))
print("opened again", code(lambda: keys.token(CARD)))
pulled = Path(tokens).rename(tokens + ".pulled")
Path(tokens).mkdir()
keys._element._secret._key.session.close()
token_keys.pkcs11.lib(LIBRARY).reinitialize()
print("pulled", code(lambda: keys.token(CARD)), code(lambda: keys.chain_key()))
Path(tokens).rmdir()
pulled.rename(tokens)
token_keys.pkcs11.lib(LIBRARY).reinitialize()
print("back", code(lambda: keys.token(CARD)))
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
        "no such token SEC-011",
        "wrong PIN SEC-012",
        "works ok",
        "session gone SEC-011",
        "opened again ok",
        "pulled SEC-011 SEC-011",
        "back ok",
    ]


def test_a_key_holder_is_a_secure_element(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    held: SecureElement = Keys(lambda: software.load(path))
    data = held.data_key(1).encrypt(bytes(12), b"x", b"")
    assert held.data_key(1).decrypt(bytes(12), data, b"") == b"x"
    assert replace(site(), keys={}).key_file == ""
