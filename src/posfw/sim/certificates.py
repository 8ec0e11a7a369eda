"""Test certificates: a CA, the acquirer's and a device's, made anew for every rig."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posfw.values.errors import AuthenticityError, CodecError

__all__ = ["SERVER_NAME", "VALID_DAYS", "Authority", "Certificates", "make"]

SERVER_NAME = "acquirer.example"
VALID_DAYS = 90
PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files."""

    ca: Path
    server: Path
    server_key: Path
    device: Path
    device_key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority with its key in memory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str = "posfw test CA") -> Authority:
        """Return a new one; two of the same name have different keys."""
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(_certificate(name, key.public_key(), name, key, ca=True), key)

    @classmethod
    def load(cls, folder: Path) -> Authority:
        """Return the one that `make` left in a folder."""
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CodecError("The CA's key is of another kind.")
        return cls(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), key)

    def issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        *,
        days: tuple[float, float] = (-1, VALID_DAYS),
    ) -> x509.Certificate:
        """Return a certificate valid from and to so many days from now."""
        issuer = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return _certificate(name, key, str(issuer), self.key, days=days)

    def answer(self, request: bytes, name: str) -> bytes:
        """Return the certificate (DER) that a PKCS#10 request (DER) asks for.

        Raises:
            CodecError: not a request.
            AuthenticityError: not signed by its own key, or for another name.
        """
        try:
            asked = x509.load_der_x509_csr(request)
            key = asked.public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise CodecError("The request's key is of another kind.")
            valid = asked.is_signature_valid
        except (ValueError, InvalidSignature) as error:
            raise CodecError("Not a certificate request.") from error
        wanted = [each.value for each in asked.subject]
        if not valid or wanted != [name]:
            raise AuthenticityError("The certificate request is for another name.")
        return self.issue(name, key).public_bytes(serialization.Encoding.DER)

    def write(self, folder: Path, stem: str, name: str, *, days: tuple[float, float]) -> None:
        """Write `stem`.pem and `stem`.key: a new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.issue(name, key.public_key(), days=days)
        _write(folder / f"{stem}.pem", certificate.public_bytes(PEM))
        _write(folder / f"{stem}.key", _private(key))


def make(
    folder: Path,
    terminal: str,
    *,
    server_name: str = SERVER_NAME,
    server_days: tuple[float, float] = (-1, VALID_DAYS),
    device_days: tuple[float, float] = (-1, VALID_DAYS),
) -> Certificates:
    """Write a CA, a server and a device certificate (EC P-256) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority.create()
    _write(folder / "ca.pem", authority.certificate.public_bytes(PEM))
    _write(folder / "ca.key", _private(authority.key))
    authority.write(folder, "server", server_name, days=server_days)
    authority.write(folder, "device", terminal, days=device_days)
    return Certificates(
        ca=folder / "ca.pem",
        server=folder / "server.pem",
        server_key=folder / "server.key",
        device=folder / "device.pem",
        device_key=folder / "device.key",
    )


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    days: tuple[float, float] = (-1, VALID_DAYS),
    ca: bool = False,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    begin, end = (now + datetime.timedelta(days=each) for each in days)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(authority, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
