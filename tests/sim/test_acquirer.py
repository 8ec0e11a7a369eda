"""What the acquirer accepts and what it never received: attacks leave its books unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posfw.codec import cbor
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.acquirer import Acquirer
from posfw.sim.certificates import Authority
from posfw.sim.ledger import Disagreement
from posfw.uplink.messages import DoFirstFlag, Field, Message, MessageType
from posfw.uplink.session import Sealed, open_answer, protect_request
from posfw.values.errors import PosfwError

TERMINAL, OTHER, MERCHANT = "12345678", "87654321", "898110154110001"
BASE_KEY = bytes(range(32))
KEY_ID, OTHER_ID = b"KEYID001", b"KEYID002"


def element(key_id: bytes = KEY_ID) -> SoftwareElement:
    return SoftwareElement(initial_key(BASE_KEY, key_id), key_id, bytes(32))


def message(
    kind: MessageType = MessageType.AUTHORISE,
    fields: dict[Field, Any] | None = None,
    *,
    terminal: str = TERMINAL,
    batch: int = 1,
    stan: int = 7,
) -> Message:
    sale: dict[Field, Any] = {Field.KIND: "sale", Field.AMOUNT: 1000, Field.CURRENCY: 156}
    given = sale if fields is None else fields
    return Message(kind, terminal, MERCHANT, batch, stan, given)


def ask(acquirer: Acquirer, asked: Message, counter: int, peer: str = TERMINAL) -> Message | None:
    sealed = protect_request(asked, element(), counter)
    answers = acquirer.answers(sealed.data, peer)
    return open_answer(answers[0], element=element(), request=sealed) if answers else None


def details(answer: Message | None) -> Any:
    assert answer is not None
    return answer.fields.get(Field.DETAILS)


def test_an_approved_sale_is_in_both_books() -> None:
    acquirer = Acquirer(BASE_KEY)
    answer = ask(acquirer, message(), 1)
    assert answer is not None
    assert answer.fields[Field.RESPONSE_CODE] == "00"
    assert acquirer.ledger.records(TERMINAL, 1) == acquirer.bank.records(TERMINAL, 1) != []
    ask(acquirer, message(MessageType.REVERSAL, {Field.REASON: "98"}), 2)
    assert acquirer.ledger.records(TERMINAL, 1) == acquirer.bank.records(TERMINAL, 1) == []


def good() -> Sealed:
    return protect_request(message(), element(), 1)


def with_header(header: dict[int, Any]) -> bytes:
    outer = cbor.decode(good().data)
    return cbor.encode(cbor.Tag(17, [cbor.encode(header), *outer.value[1:]]))


def answer_made_by_the_acquirer() -> bytes:
    return Acquirer(BASE_KEY).answers(good().data)[0]


KID = KEY_ID + (1).to_bytes(4, "big")
# After an honest sale of STAN 7 under counter 1 by TERMINAL on its own line.
ATTACKS: dict[str, Callable[[], tuple[bytes, str]]] = {
    "its own answer reflected": lambda: (answer_made_by_the_acquirer(), TERMINAL),
    "another sale under a used counter": lambda: (
        protect_request(message(stan=8), element(), 1).data,
        TERMINAL,
    ),
    "another terminal's number under this key": lambda: (
        protect_request(message(terminal=OTHER, stan=8), element(), 2).data,
        OTHER,
    ),
    "this terminal's number under another key": lambda: (
        protect_request(message(stan=8), element(OTHER_ID), 2).data,
        TERMINAL,
    ),
    "this terminal's message on another terminal's line": lambda: (
        protect_request(message(stan=8), element(), 2).data,
        OTHER,
    ),
    "batch changed behind the code": lambda: (
        good().data.replace(b"\x04\x01\x05\x07", b"\x04\x02\x05\x07"),
        TERMINAL,
    ),
    "cut short": lambda: (good().data[:-1], TERMINAL),
    "a byte behind it": lambda: (good().data + b"\x00", TERMINAL),
    "algorithm HMAC 256/64": lambda: (with_header({1: 4, 4: KID}), TERMINAL),
    "algorithm none": lambda: (with_header({4: KID}), TERMINAL),
    "an unknown critical header": lambda: (with_header({1: 5, 2: [99], 4: KID}), TERMINAL),
    "a kid of another counter": lambda: (
        with_header({1: 5, 4: KEY_ID + (9).to_bytes(4, "big")}),
        TERMINAL,
    ),
    "the body alone": lambda: (message(stan=8).encode(), TERMINAL),
    "a code under a foreign base key": lambda: (
        protect_request(message(stan=8), SoftwareElement(bytes(32), KEY_ID, bytes(32)), 2).data,
        TERMINAL,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_changes_no_book(name: str) -> None:
    acquirer = Acquirer(BASE_KEY)
    assert ask(acquirer, message(), 1) is not None
    before = (acquirer.bank.snapshot(), list(acquirer.ledger.movements))
    data, peer = ATTACKS[name]()
    assert data != good().data
    assert acquirer.answers(data, peer) == []
    assert acquirer.refused == 1
    assert (acquirer.bank.snapshot(), acquirer.ledger.movements) == before
    assert ask(acquirer, message(stan=9), 3) is not None  # and the honest terminal goes on


def test_a_replayed_frame_gets_its_answer_again_and_posts_nothing_more() -> None:
    acquirer = Acquirer(BASE_KEY)
    first = acquirer.answers(good().data, TERMINAL)
    assert acquirer.answers(good().data, TERMINAL) == first
    assert acquirer.bank.records(TERMINAL, 1) == [[7, 1000, 1]]


def test_answers_in_another_order_belong_to_their_own_requests() -> None:
    acquirer = Acquirer(BASE_KEY)
    asked = [protect_request(message(stan=stan), element(), stan) for stan in (1, 2)]
    answers = [acquirer.answers(each.data)[0] for each in reversed(asked)]
    for own, foreign, request in zip(reversed(answers), answers, asked, strict=True):
        assert open_answer(own, element=element(), request=request).stan == request.message.stan
        with pytest.raises(PosfwError):
            open_answer(foreign, element=element(), request=request)


def test_sign_on_settles_on_the_newest_common_version() -> None:
    acquirer = Acquirer(BASE_KEY)
    offer = {Field.DETAILS: {"versions": [1, 2]}}
    answer = ask(acquirer, message(MessageType.SIGN_ON, offer, stan=0), 1)
    assert details(answer)["version"] == 1
    assert acquirer.signed_on == {TERMINAL}
    offer = {Field.DETAILS: {"versions": [7]}}
    answer = ask(acquirer, message(MessageType.SIGN_ON, offer, stan=0), 2)
    assert answer is not None
    assert answer.fields[Field.RESPONSE_CODE] == "30"
    ask(acquirer, message(MessageType.SIGN_OFF, {}, stan=0), 3)
    assert acquirer.signed_on == set()


def test_parameters_hand_out_what_is_newer_and_flags_stay_until_obeyed() -> None:
    acquirer = Acquirer(BASE_KEY)
    acquirer.parameters = {"limits": {"version": 2, "sum": 1}, "bins": {"version": 1}}
    acquirer.do_first = {DoFirstFlag.PARAMETERS, DoFirstFlag.STATUS}
    answer = ask(acquirer, message(MessageType.ECHO, {}, stan=0, batch=0), 1)
    assert answer is not None
    assert answer.fields[Field.DO_FIRST] == [1, 2]
    have = {Field.DETAILS: {"have": {"bins": 1}}}
    answer = ask(acquirer, message(MessageType.PARAMETERS, have, stan=0), 2)
    assert details(answer) == {"sets": {"limits": {"version": 2, "sum": 1}}}
    ask(acquirer, message(MessageType.VITALS, {Field.DETAILS: {"head_c": 31}}, stan=0), 3)
    assert acquirer.vitals[TERMINAL] == {"head_c": 31}
    assert acquirer.do_first == set()


def test_a_script_result_and_an_owed_upload_are_kept_once() -> None:
    acquirer = Acquirer(BASE_KEY)
    for kind, fields in (
        (MessageType.SCRIPT_RESULT, {Field.ISSUER_RESULT: b"\x01"}),
        (MessageType.UPLOAD, {}),
    ):
        codes = []
        for _ in range(2):
            counter = 10 + len(acquirer._seen)
            answer = ask(acquirer, message(kind, fields), counter)
            assert answer is not None
            codes.append(answer.fields[Field.RESPONSE_CODE])
        assert codes == ["00", "94"]
    assert acquirer.ledger.vouchers == {(TERMINAL, 1, 7): ["script_result", "upload"]}


@pytest.mark.parametrize("how", list(Disagreement))
def test_a_settlement_balances_or_names_what_differs(how: Disagreement) -> None:
    acquirer = Acquirer(BASE_KEY)
    ask(acquirer, message(), 1)
    ours, records = acquirer.bank.totals(TERMINAL, 1), acquirer.bank.records(TERMINAL, 1)
    acquirer.ledger.disagreement = how
    settled = ask(acquirer, message(MessageType.SETTLE, {Field.DETAILS: ours}, stan=0), 2)
    assert details(settled)["result"] == (1 if how is Disagreement.NONE else 2)
    upload = {Field.RECORDS: records, Field.DETAILS: {"last": True}}
    uploaded = ask(acquirer, message(MessageType.UPLOAD, upload, stan=0), 3)
    assert details(uploaded)["received"] == 1
    assert (
        details(uploaded)["unlike"] == {"": [], "missing": [7], "extra": [8], "amount": [7]}[how]
    )


def test_a_certificate_is_renewed_for_the_terminal_itself_only() -> None:
    acquirer = Acquirer(BASE_KEY)
    acquirer._authority = Authority.create()
    for number, (name, code) in enumerate(((TERMINAL, "00"), (OTHER, "12")), 1):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
        der = csr.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        fields = {Field.DETAILS: {"step": "renew", "csr": der}}
        answer = ask(acquirer, message(MessageType.ACTIVATION, fields, stan=0, batch=0), number)
        assert answer is not None
        assert answer.fields[Field.RESPONSE_CODE] == code
        if code == "00":
            made = x509.load_der_x509_certificate(details(answer)["certificate"])
            made.verify_directly_issued_by(acquirer._authority.certificate)
            assert made.public_key() == key.public_key()
