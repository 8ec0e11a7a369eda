"""Makes issuer.json with PyEMV, an independent implementation (MIT): pip install pyemv==1.5.0.

Run in an environment of its own: `python make_issuer.py > issuer.json`. Inputs are arbitrary.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyemv import ac, kd, sm  # type: ignore[import-not-found]  # not among our dependencies

ISSUER_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
DATA = bytes.fromhex("000000030000000000000000015604000000000156261124001234ABCD7C00001A03A00000")
CARDS = (("4761739001010119", 1), ("5413330089020011", 0), ("6216261000000000018", 1))


def vector(pan: str, sequence: int) -> dict[str, Any]:
    derive = kd.derive_icc_mk_a if len(pan) <= 16 else kd.derive_icc_mk_b
    key = derive(ISSUER_KEY, pan, f"{sequence:02d}")
    atc = bytes.fromhex("001B")
    session = kd.derive_common_sk(key, atc + bytes(6))
    arqc = ac.generate_ac(session, DATA, ac.PaddingType.EMV)
    head = bytes.fromhex("8424000008")
    return {
        "pan": pan,
        "sequence": sequence,
        "master_key": key.hex(),
        "session_key": session.hex(),
        "arqc": arqc.hex(),
        "arqc_visa": ac.generate_ac(key, DATA, ac.PaddingType.VISA).hex(),
        "arpc_1": ac.generate_arpc_1(session, arqc, b"00").hex(),
        "arpc_2": ac.generate_arpc_2(session, arqc, bytes.fromhex("00820000")).hex(),
        "script_mac": sm.generate_command_mac(
            kd.derive_common_sk(key, arqc), head + atc + arqc
        ).hex(),
    }


if __name__ == "__main__":
    made = {
        "source": "PyEMV 1.5.0, tests/emv/vectors/make_issuer.py",
        "issuer_key": ISSUER_KEY.hex(),
        "data": DATA.hex(),
        "atc": "001b",
        "cards": [vector(*card) for card in CARDS],
    }
    json.dump(made, sys.stdout, indent=1)
