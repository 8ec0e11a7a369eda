from __future__ import annotations

import ssl
from pathlib import Path

from posfw.sim.certificates import make


def test_keys_are_for_the_owner_only_and_the_chain_loads(tmp_path: Path) -> None:
    made = make(tmp_path / "tls", "12345678")
    for path in (made.server_key, made.device_key):
        assert path.stat().st_mode & 0o077 == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(made.ca)
    context.load_cert_chain(made.device, made.device_key)
    assert len(context.get_ca_certs()) == 1
