from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posfw.uplink.driver import dialler
from posfw.uplink.settings import UplinkSettings, host_and_port
from posfw.values.errors import ConfigError, LinkError

NAME = "acquirer.test"


def make(folder: Path) -> tuple[Path, Path]:
    """Write one self-signed certificate that serves as CA, server and device."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return folder / "cert.pem", folder / "key.pem"


class Quiet(TLSListener):
    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: anyio.abc.AnyByteStream) -> None:
        await anyio.aclose_forcefully(stream)


async def dial(folder: Path, name: str, version: ssl.TLSVersion) -> bytes | LinkError:
    certificate, key = make(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version

    async def serve(stream: ByteStream) -> None:
        async with stream:
            await stream.send(b"hello")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    settings = UplinkSettings(
        addresses=("127.0.0.1:1", f"127.0.0.1:{port}"),
        server_name=name,
        terminal="T0000001",
        merchant="898310058120001",
        connect_timeout_s=3,
    )
    connect = dialler(ca=certificate, certificate=certificate, key=key, settings=settings)
    tls = Quiet(listener, context)
    said: bytes | LinkError
    async with tls, anyio.create_task_group() as group:
        group.start_soon(tls.serve, serve)
        try:
            async with await connect() as stream:
                said = await stream.receive()
        except LinkError as error:
            said = error
        group.cancel_scope.cancel()
    return said


async def test_the_next_address_is_tried_and_both_sides_are_authenticated(tmp_path: Path) -> None:
    assert await dial(tmp_path, NAME, ssl.TLSVersion.TLSv1_3) == b"hello"


async def test_another_server_name_or_older_tls_is_no_connection(tmp_path: Path) -> None:
    for name, version in (("x.test", ssl.TLSVersion.TLSv1_3), (NAME, ssl.TLSVersion.TLSv1_2)):
        assert isinstance(await dial(tmp_path, name, version), LinkError)


def test_an_address_is_host_and_port() -> None:
    assert host_and_port("[::1]:700") == ("::1", 700)
    for wrong in ("host", "host:", ":1", "host:0", "host:99999"):
        with pytest.raises(ConfigError):
            host_and_port(wrong)
