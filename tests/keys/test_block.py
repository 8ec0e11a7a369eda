"""Keys on their way in: wrapped, checked, whole or not there, and gone after a wipe."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.keys import software
from posfw.keys.block import KeyBlock, opened, sealed
from posfw.keys.software import SoftwareElement
from posfw.values.card import CardNumber
from posfw.values.errors import KeyStoreError, MisuseError
from tests.keys.conftest import Opener

KEYS = {"initial_key": bytes(range(32)), "initial_key_id": b"POSFW001", "secret": b"s" * 32}
TRANSPORT = b"T" * 32
TEXT = sealed(TRANSPORT, **KEYS)
BLOCK = KeyBlock.decode(TEXT)


def code_of(what: Callable[[], object]) -> str:
    with pytest.raises(KeyStoreError) as refused:
        what()
    return refused.value.stable_code


def changed(**fields: object) -> str:
    return json.dumps(json.loads(TEXT) | fields)


def test_the_file_says_nothing_of_the_keys() -> None:
    for key in (KEYS["initial_key"], KEYS["secret"], TRANSPORT):
        assert key.hex() not in TEXT
    assert BLOCK.encode() == TEXT
    assert BLOCK.key_id == KEYS["initial_key_id"]


def test_a_block_opens_under_its_transport_key_only() -> None:
    assert opened(BLOCK, TRANSPORT).check_values() == SoftwareElement(**KEYS).check_values()
    for transport in (b"U" * 32, b"T" * 16, b"short"):
        assert code_of(partial(opened, BLOCK, transport)) == "SEC-017"


@pytest.mark.parametrize("name", ["key_id", "initial_key", "secret", "check", "secret_check"])
def test_a_changed_bit_anywhere_is_refused(name: str) -> None:
    value = bytes.fromhex(json.loads(TEXT)[name])
    for at in (0, len(value) - 1):
        bad = bytearray(value)
        bad[at] ^= 1
        block = KeyBlock.decode(changed(**{name: bad.hex()}))
        assert code_of(partial(opened, block, TRANSPORT)) == "SEC-017"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", changed(version=2), changed(format="x"), changed(more=1),
     changed(secret="00"), changed(secret="zz"), changed(secret=None), "[" * 5000],
)  # fmt: skip
def test_another_file_is_no_block(text: str) -> None:
    assert code_of(lambda: KeyBlock.decode(text)) == "SEC-017"


@given(st.text(max_size=60) | st.dictionaries(st.text(max_size=9), st.none()).map(json.dumps))
def test_any_text_is_a_block_or_one_error(text: str) -> None:
    with pytest.raises(KeyStoreError):
        KeyBlock.decode(text)


def test_keys_of_wrong_sizes_make_no_block() -> None:
    with pytest.raises(MisuseError):
        sealed(TRANSPORT, **(KEYS | {"initial_key": bytes(16)}))


def test_a_wiped_file_is_gone_and_so_are_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    opened(BLOCK, TRANSPORT).save(path)
    assert code_of(lambda: opened(BLOCK, TRANSPORT).save(path)) == "SEC-004"
    assert path.stat().st_mode & 0o777 == 0o600
    element, twin = software.load(path), tmp_path / "twin"
    os.link(path, twin)  # what the disk still holds under another name
    element.wipe()
    assert not path.exists()
    assert not any(twin.read_bytes())
    refuses(element)


def refuses(element: Any) -> None:
    uses: tuple[Callable[[], object], ...] = (
        lambda: element.mac_key(1),
        lambda: element.cmac_key(1),
        lambda: element.data_key(1),
        lambda: element.pin_key(1),
        lambda: element.token(CardNumber("6222020000000000001")),
        element.chain_key,
        element.check_values,
    )
    assert {code_of(use) for use in uses} == {"SEC-015"}


def labels(session: Any) -> list[str]:
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    return sorted(each[pkcs11.Attribute.LABEL] for each in session.get_objects())


def test_a_token_unwraps_inside_and_keeps_nothing_of_a_block_that_does_not_fit(
    open_token: Opener,
) -> None:
    from posfw.keys import ceremony  # noqa: PLC0415 - needs python-pkcs11
    from posfw.keys.pkcs11 import open_element  # noqa: PLC0415 - as above

    session = open_token("blocks")
    assert code_of(lambda: ceremony.load_block(session, BLOCK)) == "SEC-018"
    ceremony.set_transport_key(session, b"old" + bytes(29))
    ceremony.set_transport_key(session, TRANSPORT)  # the ceremony again: one key, not two
    bad = (
        sealed(b"U" * 32, **KEYS),
        changed(check="00" * 5),
        changed(secret_check="00" * 5),
        changed(key_id=b"POSFW002".hex()),
    )
    for text in bad:
        block = KeyBlock.decode(text)
        assert code_of(partial(ceremony.load_block, session, block)) == "SEC-017"
        assert labels(session) == ["posfw transport key"]
    ceremony.load_block(session, BLOCK)
    element, judge = open_element(session), SoftwareElement(**KEYS)
    assert element.initial_key_id == KEYS["initial_key_id"]
    assert element.check_values() == judge.check_values()
    assert element.mac_key(7).mac(b"x") == judge.mac_key(7).mac(b"x")
    assert labels(session) == ["posfw initial key", "posfw secret", "posfw transport key"]
    assert code_of(lambda: ceremony.load_block(session, BLOCK)) == "SEC-004"
    assert element.check_values() == judge.check_values()


def test_a_token_is_wiped_and_takes_new_keys(open_token: Opener) -> None:
    from posfw.keys import ceremony  # noqa: PLC0415 - needs python-pkcs11
    from posfw.keys.pkcs11 import open_element  # noqa: PLC0415 - as above

    session = open_token("wiped")
    ceremony.set_transport_key(session, TRANSPORT)
    ceremony.load_block(session, BLOCK)
    element = open_element(session)
    element.wipe()
    refuses(element)
    assert labels(session) == ["posfw transport key"]
    assert code_of(lambda: open_element(session)) == "SEC-001"
    ceremony.load_block(
        session, KeyBlock.decode(sealed(TRANSPORT, **(KEYS | {"secret": b"t" * 32})))
    )
    assert open_element(session).chain_key() != SoftwareElement(**KEYS).chain_key()


def test_a_load_that_was_cut_is_begun_again(open_token: Opener) -> None:
    from posfw.keys import ceremony  # noqa: PLC0415 - needs python-pkcs11
    from posfw.keys.pkcs11 import open_element  # noqa: PLC0415 - as above

    session = open_token("cut")
    ceremony.set_transport_key(session, TRANSPORT)
    with pytest.MonkeyPatch.context() as patch:

        def cut(label: str, key_id: bytes, *uses: Any) -> dict[Any, Any]:
            if label == "posfw initial key":
                raise ConnectionError("the power goes")
            return real(label, key_id, *uses)

        real = ceremony._kept
        patch.setattr(ceremony, "_kept", cut)
        with pytest.raises(ConnectionError):
            ceremony.load_block(session, BLOCK)
    assert labels(session) == ["posfw secret", "posfw transport key"]
    assert code_of(lambda: open_element(session)) == "SEC-001"  # half of the keys is none
    ceremony.load_block(session, BLOCK)
    assert labels(session).count("posfw secret") == 1
    assert open_element(session).check_values() == SoftwareElement(**KEYS).check_values()
