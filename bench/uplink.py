"""The uplink's claims: what protection costs beside the bare library calls and beside cwt."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path

import cbor2

from bench.claim import ROUNDS, Claim, best
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import HmacKey, SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import open_answer, open_request, protect_answer, protect_request

EXCHANGES = 300
KEY_ID = bytes(8)
ELEMENT = SoftwareElement(initial_key(bytes(32), KEY_ID), KEY_ID, bytes(32))


def _fields() -> dict[Field, object]:
    return {
        Field.KIND: "sale",
        Field.AMOUNT: 1250,
        Field.CURRENCY: 156,
        Field.ENTRY_MODE: 2,
        Field.LOCAL_TIME: "20260302093000",
        Field.OPERATOR: "01",
        Field.CARD: bytes(120),
    }


def _uplink_cpu_us(element: SoftwareElement = ELEMENT) -> float:
    fields = _fields()
    before = time.process_time()
    for counter in range(1, EXCHANGES + 1):
        request = Message(MessageType.AUTHORISE, "12345678", "8" * 15, 1, counter, fields)  # type: ignore[arg-type]  # plain values
        sealed = protect_request(request, element, counter)
        opened = open_request(sealed.data, lambda _: element)
        answer = Message(
            MessageType.AUTHORISE, "12345678", "8" * 15, 1, counter, {Field.RESPONSE_CODE: "00"}
        )
        open_answer(protect_answer(answer, opened), element=element, request=sealed)
    return (time.process_time() - before) / EXCHANGES * 1e6


def _bare_exchange_cpu_us() -> float:
    """Bare cbor2, hmac and key derivation for the same two messages, nothing checked."""
    fields = {int(key): value for key, value in _fields().items()}
    head = {0: 1, 1: 4, 2: "12345678", 3: "8" * 15, 4: 1}
    before = time.process_time()
    for counter in range(1, EXCHANGES + 1):
        for answer, body in ((False, fields), (True, {48: "00"})):
            for _ in range(2):  # both ends derive the key and compute the code
                key = ELEMENT.mac_key(counter, answer=answer)
                payload = cbor2.dumps(head | {5: counter} | body, canonical=True)
                message = cbor2.dumps([b"x" * 18, {}, payload, key.mac(payload)])
                cbor2.loads(cbor2.loads(message)[2])
                hashlib.sha256(message).digest()
    return (time.process_time() - before) / EXCHANGES * 1e6


def uplink_cpu() -> Claim:
    """Encode, protect, verify, decode one exchange on both ends against the bare calls."""
    return Claim(
        best(_uplink_cpu_us),
        best(_bare_exchange_cpu_us),
        "us CPU",
        1.5,
        "request and answer, both ends, key derivation included; other: bare cbor2 and hmac",
    )


class _KeysAtHand(SoftwareElement):
    """The keys derived beforehand: cwt gets them the same way."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        super().__init__(initial_key(bytes(32), KEY_ID), KEY_ID, bytes(32))
        both = ((counter, answer) for counter in range(EXCHANGES + 1) for answer in (False, True))
        self._made = {each: ELEMENT.mac_key(each[0], answer=each[1]) for each in both}

    def mac_key(self, counter: int, *, answer: bool = False) -> HmacKey:
        return self._made[counter, answer]


ORACLE = Path(__file__).parent.parent / ".venv-oracle/bin/python"
# The same two bodies, both ends, each message under its own key, nothing checked but the code.
CWT = """
import json, sys, time
import cbor2
from cwt import COSE, COSEKey
job = json.load(sys.stdin)
aad, kid = bytes(40), bytes(12)
bodies = [bytes.fromhex(each) for each in job["bodies"]]
bodies = [cbor2.loads(each) for each in bodies]
def once():
    before = time.process_time()
    for counter in range(job["exchanges"]):
        for body in bodies:
            raw = counter.to_bytes(32, "big")
            key = COSEKey.from_symmetric_key(raw, alg="HS256", kid=kid)
            data = COSE.new().encode(
                cbor2.dumps(body, canonical=True), key,
                protected={"alg": "HS256", "kid": kid}, external_aad=aad)
            key = COSEKey.from_symmetric_key(raw, alg="HS256", kid=kid)
            cbor2.loads(COSE.new().decode(data, key, external_aad=aad))
    return (time.process_time() - before) / job["exchanges"] * 1e6
print(min(once() for _ in range(job["rounds"])))
"""


def _cwt_cpu_us() -> float:
    head = {0: 1, 1: 4, 2: "12345678", 3: "8" * 15, 4: 1, 5: 7}
    fields = {int(key): value for key, value in _fields().items()}
    bodies = [cbor2.dumps(head | each, canonical=True).hex() for each in (fields, {48: "00"})]
    job = {"bodies": bodies, "exchanges": EXCHANGES, "rounds": ROUNDS}
    done = subprocess.run(
        [ORACLE, "-c", CWT], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def uplink_cpu_cwt() -> Claim:
    """One exchange on both ends, keys at hand, against cwt doing the same two messages."""
    if not ORACLE.exists():
        raise SystemExit("no second COSE implementation: run `make oracle`")
    element = _KeysAtHand()
    return Claim(
        best(lambda: _uplink_cpu_us(element)),
        _cwt_cpu_us(),
        "us CPU",
        1.0,
        "request and answer, both ends, keys at hand; other: cwt 3.3 with cbor2 5.9 in C",
    )


CLAIMS = {"uplink_cpu": uplink_cpu, "uplink_cpu_cwt": uplink_cpu_cwt}
