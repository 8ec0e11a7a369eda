"""Every vector of the wire: our verdict, its shape by pycddl, its code by cwt."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pycddl
import pytest

from posfw.codec import cbor
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.uplink.session import Sealed, open_answer, open_card, open_request
from posfw.values.errors import AuthenticityError, CodecError
from posfw.values.identity import Key

ROOT = Path(__file__).parents[2]
CDDL = (ROOT / "docs/wire.cddl").read_text(encoding="utf-8")
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/wire.json").read_text("utf-8"))
ROWS: list[dict[str, Any]] = VECTORS["vectors"]
ORACLE = ROOT / ".venv-oracle" / "bin" / "python"
TERMINAL = "T0000001"
# Body key 1 of a request is the rule of its shape; the byte stands behind a0 to af, 00, 01 and 01.
NAMES = """sign-on sign-off echo authorise inquiry reversal advice script-result settle batch-part
parameters vitals activation"""
RULES = dict(enumerate(NAMES.split(), 1))


def element() -> SoftwareElement:
    keys = VECTORS["keys"]
    key_id = bytes.fromhex(keys["initial_key_id"])
    first = initial_key(bytes.fromhex(keys["base_key"]), key_id)
    assert first.hex() == keys["initial_key"]
    return SoftwareElement(first, key_id, bytes(32))


def find(data: bytes) -> SoftwareElement:
    found = element()
    if data != found.initial_key_id:
        raise AuthenticityError("An unknown terminal.")
    return found


@cache
def rule(name: str) -> pycddl.Schema:
    """Return one rule of the document as the whole schema.

    Without the optional keys: pycddl 0.6.4 holds every key of a map against their range.
    """
    return pycddl.Schema(
        CDDL.replace(", optional", "").replace("wire = mac0", f"wire = {name}\nany-wire = mac0", 1)
    )


def open_(row: dict[str, Any]) -> object:
    data = bytes.fromhex(row["bytes"])
    if row["kind"] == "request":
        return open_request(data, find).message.encode().hex()
    if row["kind"] == "answer":
        asked = bytes.fromhex(row["request"])
        opened = open_request(asked, find)
        kid = opened.key_id + opened.counter.to_bytes(4, "big")
        sealed = Sealed(asked, opened.digest, kid, opened.message)
        return open_answer(data, element=element(), request=sealed).encode_answer().hex()
    card = open_card(data, key=Key(TERMINAL, 3, row["stan"]), element=element())
    return {"number": card.number.reveal(), "track2": card.track2.reveal().decode()}


@pytest.mark.parametrize("row", ROWS, ids=lambda each: str(each["name"]))
def test_a_vector_gets_its_verdict_and_says_what_it_should(row: dict[str, Any]) -> None:
    said: object = None
    try:
        said = open_(row)
        verdict = "accepted"
    except CodecError:
        verdict = "malformed"
    except AuthenticityError:
        verdict = "refused"
    assert verdict == row["verdict"]
    if verdict == "accepted":
        assert said == row.get("says", row["body"])


def test_every_kind_of_message_has_a_request_and_an_answer() -> None:
    types = {
        cbor.decode(bytes.fromhex(row["body"]))[1]
        for row in ROWS
        if row["kind"] == "request" and row["verdict"] == "accepted"
    }
    assert types == set(range(1, 14))
    assert sum(row["kind"] == "answer" and row["verdict"] == "accepted" for row in ROWS) >= 13


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["verdict"] == "accepted"],
    ids=lambda each: str(each["name"]),
)
def test_an_accepted_vector_fits_the_cddl(row: dict[str, Any]) -> None:
    outer, header = {"card": ("encrypt0", "encrypt-header")}.get(
        row["kind"], ("mac0", "mac-header")
    )
    data = bytes.fromhex(row["bytes"])
    rule(outer).validate_cbor(data)
    rule(header).validate_cbor(cbor.decode(data).value[0])
    rule("aad").validate_cbor(bytes.fromhex(row["aad"]))
    if row["kind"] == "card":
        return
    body = {
        key: value for key, value in cbor.decode(bytes.fromhex(row["body"])).items() if key < 128
    }
    name = RULES[cbor.decode(bytes.fromhex(row.get("request", row["bytes"]))).value[2][4]]
    rule("answer" if row["kind"] == "answer" else name).validate_cbor(cbor.encode(body))
    if row["kind"] == "answer" and 79 in body:
        name = name.replace("batch-part", "upload")
        rule(f"{name}-answer").validate_cbor(cbor.encode(body[79]))


def test_bodies_that_the_rules_refuse_do_not_fit_the_cddl() -> None:
    names = []
    for row in ROWS:
        if row["kind"] != "request" or row["verdict"] != "malformed" or not row["code"]:
            continue
        if row["diagnostic"].startswith("not"):
            continue  # the whole is not one item: there is no body to look at
        body = cbor.decode(bytes.fromhex(row["bytes"])).value[2]
        try:
            cbor.decode(body)
        except CodecError:
            continue  # another form of a body that would fit: the codec's business
        for name in RULES.values():
            with pytest.raises(pycddl.ValidationError):
                rule(name).validate_cbor(body)
        names.append(row["name"])
    assert len(names) == 10, names


@pytest.mark.slow
def test_a_second_implementation_opens_each_vector_or_refuses_it_as_the_file_says() -> None:
    if not ORACLE.exists():
        pytest.skip("no second COSE implementation: run `make oracle`")
    done = subprocess.run(
        [ORACLE, Path(__file__).with_name("oracle_wire.py")],
        input=json.dumps(ROWS),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    for row, said in zip(ROWS, json.loads(done.stdout), strict=True):
        opened = set(said) <= set("0123456789abcdef")
        assert opened is row["code"], (row["name"], said)
        if opened and row["body"]:
            assert said == row["body"], row["name"]


def test_the_vector_file_is_what_its_program_writes() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "tests/vectors/make_wire.py"], capture_output=True, check=True
    )
    assert json.loads(made.stdout) == VECTORS
