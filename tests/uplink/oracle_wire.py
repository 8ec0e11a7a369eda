"""Runs in `.venv-oracle`: cwt with cbor2 5.9 opens the vectors given on standard input.

Standard library, cbor2 and cwt alone: none of this project's code is imported here.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import cbor2
from cwt import COSE, COSEKey  # type: ignore[import-not-found,unused-ignore]


def opened(vector: dict[str, Any]) -> str:
    """Return the payload in hex, or the name of what cwt raised."""
    data = bytes.fromhex(vector["bytes"])
    algorithm = "A256GCM" if vector["kind"] == "card" else "HS256"
    try:
        header = cbor2.loads(cbor2.loads(data).value[0])
        key = COSEKey.from_symmetric_key(
            bytes.fromhex(vector["key"]), alg=algorithm, kid=header[4]
        )
        payload = COSE.new().decode(data, key, external_aad=bytes.fromhex(vector["aad"]))
    except Exception as error:  # noqa: BLE001 - the verdict is which bytes cwt refuses
        return type(error).__name__
    return bytes(payload).hex()


if __name__ == "__main__":
    json.dump([opened(each) for each in json.load(sys.stdin)], sys.stdout)
