"""A unit of the tests: one JSON request on stdin, the answer on stdout, state in files.

python unit_agent.py FOLDER [FAULT]
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def answer(folder: Path, fault: str, request: dict[str, str]) -> dict[str, object]:
    do = request["do"]
    state = folder / "state.json"
    if fault == "silent" or fault == f"dies at {do}":
        sys.exit(9)
    if do == "identify":
        return {"unit": folder.name}
    if do == "write":
        state.write_text(json.dumps(request), encoding="utf-8")
        return {}
    if do == "read":
        kept = json.loads(state.read_text(encoding="utf-8"))
        return {"serial": "forgot" if fault == "forgets" else kept["serial"], "mac": kept["mac"]}
    if do == "request":
        return {
            "csr": csr(folder, "somebody" if fault == "other name" else request["serial"], fault)
        }
    cold = fault == "cold head"
    steps = [
        {"id": "storage", "state": "pass", "detail": "", "observed": {}},
        {"id": "head", "state": "fail" if cold else "pass", "detail": "rose 0.1 C, 2 wanted"},
        {"id": "rtc", "state": "skip" if fault == "skips" else "pass", "detail": ""},
    ]
    return {"schema": "posfw.selftest", "schema_version": 1, "steps": steps}


def csr(folder: Path, name: str, fault: str) -> str:
    key = folder / "unit.key"
    if not key.exists():
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], check=True
        )
    if fault == "leaks":
        return key.read_text(encoding="ascii")
    made = subprocess.run(
        ["openssl", "req", "-new", "-key", str(key), "-subj", f"/CN={name}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    middle = len(made.stdout) // 2
    other = "B" if made.stdout[middle] == "A" else "A"
    return (
        made.stdout[:middle] + other + made.stdout[middle + 1 :]
        if fault == "bad csr"
        else made.stdout
    )


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir(exist_ok=True)
    how = sys.argv[2] if len(sys.argv) > 2 else ""
    sys.stdout.write(json.dumps(answer(place, how, json.load(sys.stdin))))
