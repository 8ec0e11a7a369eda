"""A second implementation, cwt with cbor2 5.9 in its own environment, opens our bytes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from posfw.crypto import cose
from posfw.crypto.dukpt import Usage, transaction_key, working_key
from posfw.keys.software import SoftwareElement

PYTHON = Path(__file__).parents[2] / ".venv-oracle" / "bin" / "python"
KEY_ID, FIRST = b"POSFW001", bytes(range(32))
SCRIPT = """
import json, sys
from cwt import COSE, COSEKey
job = {k: bytes.fromhex(v) for k, v in json.load(sys.stdin).items()}
def opened(message, aad, **key):
    made = COSEKey.from_symmetric_key(**key)
    try:
        return COSE.new().decode(message, made, external_aad=aad).hex()
    except Exception as error:
        return type(error).__name__
mac = dict(key=job["mac_key"], alg="HS256", kid=job["kid"])
data = dict(key=job["data_key"], alg="A256GCM", kid=job["kid"][8:])
print(json.dumps([opened(job["mac0"], job["aad"], **mac), opened(job["mac0"], b"x", **mac),
    opened(job["encrypt0"], job["aad"], **data), opened(job["encrypt0"], b"x", **data)]))
"""


@pytest.mark.slow
def test_the_oracle_opens_our_messages_and_refuses_other_bound_data() -> None:
    if not PYTHON.exists():
        pytest.skip("no second COSE implementation: run `make oracle`")
    element, kid, aad = SoftwareElement(FIRST, KEY_ID, b"s" * 32), KEY_ID + b"\0\0\0\1", b"bound"
    key = transaction_key(FIRST, KEY_ID, 1)
    usages = {"mac_key": (Usage.MAC_GENERATION, True), "data_key": (Usage.DATA_ENCRYPTION, False)}
    job = {
        name: working_key(key, usage, KEY_ID, 1, size=32, hmac=hmac)
        for name, (usage, hmac) in usages.items()
    }
    job |= {"kid": kid, "aad": aad}
    job["mac0"] = cose.mac0(b"payload", key=element.mac_key(1), kid=kid, external_aad=aad)
    job["encrypt0"] = cose.encrypt0(
        b"plain", key=element.data_key(1), kid=kid[8:], nonce=bytes(12), external_aad=aad
    )
    text = json.dumps({name: value.hex() for name, value in job.items()})
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT], input=text, capture_output=True, text=True, timeout=30, check=True
    )
    mac, mac_bad, plain, plain_bad = json.loads(done.stdout)
    assert (mac, plain) == (b"payload".hex(), b"plain".hex()), done.stdout
    assert mac_bad == "VerifyError"
    assert plain_bad == "DecodeError"
