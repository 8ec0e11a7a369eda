"""One suite over both secure elements: the token computes the software element's very bytes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posfw.crypto import cose
from posfw.keys.software import SoftwareElement
from posfw.ports import SecureElement
from posfw.values.card import CardNumber
from posfw.values.errors import AuthenticityError, KeyStoreError

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
from posfw.keys import pkcs11 as token_keys  # noqa: E402 - only where python-pkcs11 is installed

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
KEYS = {"initial_key": bytes(range(32)), "initial_key_id": b"POSFW001", "secret": b"s" * 32}
NONCE, COUNTERS = bytes(12), [1, 2, 3, 0x1FFFE, 0x20000, 0xFFFF0000]
CARD = CardNumber("6222020000000000001")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not Path(LIBRARY).exists() or not shutil.which("softhsm2-util"):
        pytest.skip("softhsm2 is missing: apt-get install softhsm2")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        subprocess.run(
            [
                "softhsm2-util",
                "--init-token",
                "--free",
                "--label",
                "posfw",
                "--so-pin",
                "12345678",
                "--pin",
                "87654321",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with token_keys.open_session(LIBRARY, "posfw", "87654321") as opened:
            token_keys.provision(opened, **KEYS)
            yield opened


@pytest.fixture(params=["software", "token"])
def element(request: pytest.FixtureRequest) -> SecureElement:
    if request.param == "software":
        return SoftwareElement(**KEYS)
    return token_keys.Pkcs11Element(request.getfixturevalue("session"))


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("answer", [False, True])
def test_mac_keys_give_the_same_bytes(element: SecureElement, counter: int, answer: bool) -> None:
    expected = SoftwareElement(**KEYS).mac_key(counter, answer=answer).mac(b"data")
    assert element.mac_key(counter, answer=answer).mac(b"data") == expected


@pytest.mark.parametrize("counter", COUNTERS)
def test_data_keys_give_the_same_bytes(element: SecureElement, counter: int) -> None:
    expected = SoftwareElement(**KEYS).data_key(counter).encrypt(NONCE, b"track", b"aad")
    assert element.data_key(counter).encrypt(NONCE, b"track", b"aad") == expected
    assert element.data_key(counter).decrypt(NONCE, expected, b"aad") == b"track"


def test_request_and_answer_keys_differ(element: SecureElement) -> None:
    assert element.mac_key(7).mac(b"x") != element.mac_key(7, answer=True).mac(b"x")
    assert element.mac_key(7).mac(b"x") != element.mac_key(8).mac(b"x")


def test_a_changed_ciphertext_does_not_decrypt(element: SecureElement) -> None:
    sealed = element.data_key(1).encrypt(NONCE, b"track", b"aad")
    for bad, aad in ((bytes([sealed[0] ^ 1]) + sealed[1:], b"aad"), (sealed, b"other")):
        with pytest.raises(AuthenticityError):
            element.data_key(1).decrypt(NONCE, bad, aad)


def test_token_chain_key_and_id_are_the_same(element: SecureElement) -> None:
    software = SoftwareElement(**KEYS)
    assert element.token(CARD) == software.token(CARD)
    assert len(element.token(CARD)) == 16
    assert element.chain_key() == software.chain_key()
    assert element.initial_key_id == KEYS["initial_key_id"]


def test_a_message_of_one_element_verifies_with_the_other(element: SecureElement) -> None:
    kid = element.initial_key_id + (5).to_bytes(4, "big")
    data = cose.mac0(b"payload", key=element.mac_key(5), kid=kid, external_aad=b"a")
    key = SoftwareElement(**KEYS).mac_key(5)
    assert cose.verify_mac0(cose.parse_mac0(data), key=key, external_aad=b"a") == b"payload"


def test_nothing_shows_a_key(element: SecureElement) -> None:
    text = repr(element) + repr(element.mac_key(1)) + repr(element.data_key(1))
    assert KEYS["initial_key"].hex() not in text
    assert repr(KEYS["initial_key"])[2:-1] not in text


def test_token_keys_cannot_be_read(session: Any) -> None:
    for label in (token_keys.INITIAL_LABEL, token_keys.SECRET_LABEL):
        key = session.get_key(label=label)
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


def test_a_provisioned_token_is_left_alone(session: Any) -> None:
    with pytest.raises(KeyStoreError):
        token_keys.provision(session, **KEYS)


def test_a_missing_library_is_a_key_store_error(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError):
        token_keys.open_session(str(tmp_path / "none.so"), "posfw", "1")
