"""One suite over both secure elements: the token computes the software element's very bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: E402
from cryptography.hazmat.primitives.cmac import CMAC  # noqa: E402

from posfw.crypto import cose, dukpt  # noqa: E402
from posfw.keys import ceremony, token  # noqa: E402 - only where python-pkcs11 is installed
from posfw.keys.pkcs11 import Pkcs11Element, open_element  # noqa: E402
from posfw.keys.software import SoftwareElement  # noqa: E402
from posfw.values.card import CardNumber  # noqa: E402
from posfw.values.errors import AuthenticityError, KeyStoreError, MisuseError  # noqa: E402
from tests.keys.conftest import LIBRARY, Opener  # noqa: E402

KEYS = {"initial_key": bytes(range(32)), "initial_key_id": b"POSFW001", "secret": b"s" * 32}
NONCE, COUNTERS = bytes(12), [1, 2, 3, 0x1FFFE, 0x20000, 0xFFFF0000]
CARD = CardNumber("6222020000000000001")
Element = SoftwareElement | Pkcs11Element
PUBLISHED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "aes_dukpt_x9_24_3_vectors.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def session(open_token: Opener) -> Any:
    opened = open_token("suite")
    ceremony.provision(opened, **KEYS)
    return opened


@pytest.fixture(params=["software", "token"])
def element(request: pytest.FixtureRequest) -> Element:
    if request.param == "software":
        return SoftwareElement(**KEYS)
    return open_element(request.getfixturevalue("session"))


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("answer", [False, True])
def test_mac_keys_give_the_same_bytes(element: Element, counter: int, answer: bool) -> None:
    software = SoftwareElement(**KEYS)
    expected = software.mac_key(counter, answer=answer).mac(b"data")
    assert element.mac_key(counter, answer=answer).mac(b"data") == expected
    assert len(expected) == 32
    expected = software.cmac_key(counter, answer=answer).mac(b"data")
    assert element.cmac_key(counter, answer=answer).mac(b"data") == expected
    assert len(expected) == 16


@pytest.mark.parametrize("counter", COUNTERS)
def test_data_keys_give_the_same_bytes(element: Element, counter: int) -> None:
    expected = SoftwareElement(**KEYS).data_key(counter).encrypt(NONCE, b"track", b"aad")
    assert element.data_key(counter).encrypt(NONCE, b"track", b"aad") == expected
    assert element.data_key(counter).decrypt(NONCE, expected, b"aad") == b"track"


def test_request_and_answer_keys_differ(element: Element) -> None:
    for kind in (element.mac_key, element.cmac_key):
        assert kind(7).mac(b"x") != kind(7, answer=True).mac(b"x")
        assert kind(7).mac(b"x") != kind(8).mac(b"x")


def test_a_changed_ciphertext_does_not_decrypt(element: Element) -> None:
    sealed = element.data_key(1).encrypt(NONCE, b"track", b"aad")
    for bad, aad in ((bytes([sealed[0] ^ 1]) + sealed[1:], b"aad"), (sealed, b"other")):
        with pytest.raises(AuthenticityError):
            element.data_key(1).decrypt(NONCE, bad, aad)


def test_token_chain_key_check_values_and_id_are_the_same(element: Element) -> None:
    software = SoftwareElement(**KEYS)
    assert element.token(CARD) == software.token(CARD)
    assert len(element.token(CARD)) == 16
    assert element.chain_key() == software.chain_key()
    assert element.check_values() == software.check_values()
    assert element.initial_key_id == KEYS["initial_key_id"]


def test_check_values_tell_every_part_apart() -> None:
    others = ({"initial_key": bytes(32)}, {"initial_key_id": b"POSFW002"}, {"secret": bytes(32)})
    found = {SoftwareElement(**(KEYS | change)).check_values() for change in others}
    assert len(found | {SoftwareElement(**KEYS).check_values()}) == 4


def test_chance_has_the_length_and_does_not_repeat(element: Element) -> None:
    drawn = {element.random(16) for _ in range(50)}
    assert (len(drawn), {len(each) for each in drawn}) == (50, {16})


def test_a_message_of_one_element_verifies_with_the_other(element: Element) -> None:
    kid = element.initial_key_id + (5).to_bytes(4, "big")
    data = cose.mac0(b"payload", key=element.mac_key(5), kid=kid, external_aad=b"a")
    key = SoftwareElement(**KEYS).mac_key(5)
    assert cose.verify_mac0(cose.parse_mac0(data), key=key, external_aad=b"a") == b"payload"


def test_nothing_shows_a_key(element: Element) -> None:
    text = repr(element) + repr(element.mac_key(1)) + repr(element.data_key(1))
    assert KEYS["initial_key"].hex() not in text
    assert repr(KEYS["initial_key"])[2:-1] not in text


def test_token_keys_cannot_be_read(session: Any) -> None:
    derived = open_element(session).mac_key(1)
    kept = [session.get_key(label=each) for each in (token.INITIAL_LABEL, token.SECRET_LABEL)]
    for key in (*kept, derived._key):
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]
        assert key[pkcs11.Attribute.EXTRACTABLE] is False


def _cmac(key: str, data: bytes) -> bytes:
    made = CMAC(AES(bytes.fromhex(key)))
    made.update(data)
    return made.finalize()


def _compare(element: Element, vectors: dict[str, Any]) -> int:
    """Judge every published value by what the key of that name computes; return how many."""
    key_id = bytes.fromhex(vectors["initial_key_id"])
    compared = 1  # the initial key: everything below comes from it
    for row in vectors["transactions"]:
        counter = int(row["ksn"][16:], 16)
        transaction = bytes.fromhex(row["transaction_key"])
        size = len(transaction)
        # The transaction key itself never leaves: a key that only it gives stands for it.
        answer = dukpt.working_key(
            transaction, dukpt.Usage.MAC_VERIFICATION, key_id, counter, size=size
        )
        made = element.cmac_key(counter, answer=True, size=size)
        assert made.mac(b"published") == _cmac(answer.hex(), b"published")
        compared += 1
        for name, expected in row.items():
            usage, _, bits = name.partition("_key_aes")
            size = int(bits or 0) // 8
            if usage == "mac_generation":
                assert element.cmac_key(counter, size=size).mac(b"x") == _cmac(expected, b"x")
            elif usage == "data_encryption":
                judge = AESGCM(bytes.fromhex(expected)).encrypt(NONCE, b"track", b"aad")
                assert (
                    element.data_key(counter, size=size).encrypt(NONCE, b"track", b"aad") == judge
                )
            elif usage == "pin":
                block = dukpt.ecb(bytes.fromhex(expected), bytes(16))
                judge = dukpt.ecb(bytes.fromhex(expected), block)
                assert element.pin_key(counter, size=size).encrypt(bytes(16), bytes(16)) == judge
            elif name == "encrypted_pin_block":
                fields = (bytes.fromhex(vectors[each]) for each in ("pin_field", "pan_field"))
                assert element.pin_key(counter, size=16).encrypt(*fields).hex() == expected
            else:
                continue
            compared += 1
    return compared


@pytest.mark.parametrize("kind", ["software", "token"])
def test_every_published_value_of_x9_24_3_is_met(kind: str, request: Any) -> None:
    compared = 0
    for name in ("aes128", "aes256"):
        vectors = PUBLISHED[name]
        key, key_id = (bytes.fromhex(vectors[each]) for each in ("initial_key", "initial_key_id"))
        if kind == "software":
            compared += _compare(SoftwareElement(key, key_id, bytes(32)), vectors)
        else:
            opened = request.getfixturevalue("open_token")(name)
            ceremony.provision(opened, initial_key=key, initial_key_id=key_id, secret=bytes(32))
            compared += _compare(open_element(opened), vectors)
    assert compared == 112


@pytest.mark.parametrize("kind", ["software", "token"])
def test_a_key_stronger_than_its_source_is_not_made(kind: str, open_token: Opener) -> None:
    weak = {**KEYS, "initial_key": bytes(16)}
    if kind == "software":
        element: Element = SoftwareElement(**weak)
    else:
        opened = open_token("long")
        ceremony.provision(opened, **weak)
        element = open_element(opened)
        element.pin_key(1, size=16).encrypt(bytes(16), bytes(16))
    for make in (element.mac_key, element.data_key, element.cmac_key, element.pin_key):
        with pytest.raises(MisuseError):
            make(1)
    if kind == "token":
        element.wipe()


def test_a_provisioned_token_is_left_alone(session: Any) -> None:
    with pytest.raises(KeyStoreError) as refused:
        ceremony.provision(session, **KEYS)
    assert refused.value.stable_code == "SEC-004"


def test_derived_keys_do_not_stay_in_the_token(session: Any) -> None:
    """Kept until the session ends they would cost 14 KiB an exchange."""
    element = open_element(session)
    before = len(list(session.get_objects()))
    for counter in (1, 0xFFFF0000):
        element.mac_key(counter).mac(b"x")
        element.data_key(counter).encrypt(NONCE, b"", b"")
        held = element.cmac_key(counter)
        assert len(list(session.get_objects())) == before + 1
        del held
    assert len(list(session.get_objects())) == before


def test_a_missing_library_is_a_key_store_error(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError) as refused:
        token.open_session(str(tmp_path / "none.so"), "posfw", "1")
    assert refused.value.stable_code == "SEC-001"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (pkcs11.PinLocked, "SEC-013"),  # SoftHSM2 never locks a PIN: another token's word
        (pkcs11.PinIncorrect, "SEC-012"),
        (pkcs11.TokenNotPresent, "SEC-011"),
        (pkcs11.DeviceRemoved, "SEC-011"),
        (pkcs11.DeviceError, "SEC-001"),
    ],
)
def test_what_a_token_says_at_login_has_its_code(
    error: type[Exception], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Token:
        def open(self, **_: object) -> object:
            raise error

    class Library:
        def get_token(self, **_: object) -> Token:
            return Token()

    monkeypatch.setattr(pkcs11, "lib", lambda _: Library())
    with pytest.raises(KeyStoreError) as refused:
        token.open_session(LIBRARY, "posfw", "1")
    assert refused.value.stable_code == code
    assert refused.value.next_step_text
