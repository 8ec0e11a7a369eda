"""The terminal's own certificate: until when it is valid, and how a new one is asked for.

The key stays: a renewal replaces one file, so a power cut leaves the old or the new certificate.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from posfw.values.errors import AuthenticityError, ConfigError

__all__ = ["WARN_DAYS", "accepted", "days_left", "facts", "floor", "request", "valid_from"]

WARN_DAYS: Final = 30
_SLACK: Final = timedelta(days=1)  # the acquirer's times carry no zone


def days_left(certificate: bytes, now: datetime) -> int:
    """Return whole days until a PEM certificate ends, negative once it has.

    Raises:
        ConfigError: not a certificate.
    """
    return (_read(certificate).not_valid_after_utc - now) // timedelta(days=1)


def facts(certificate: bytes) -> dict[str, str]:
    """Return what a person wants to know of a PEM certificate: subject, issuer, serial, times.

    Raises:
        ConfigError: not a certificate.
    """
    read = _read(certificate)
    return {
        "subject": read.subject.rfc4514_string(),
        "issuer": read.issuer.rfc4514_string(),
        "serial": f"{read.serial_number:x}",
        "from": read.not_valid_before_utc.isoformat(),
        "to": read.not_valid_after_utc.isoformat(),
    }


def valid_from(certificate: bytes) -> datetime:
    """Return when a PEM certificate began: that time has passed, whatever a clock says.

    Raises:
        ConfigError: not a certificate.
    """
    return _read(certificate).not_valid_before_utc


def floor(certificate: bytes, host_times: tuple[str, ...]) -> datetime:
    """Return the latest time that is known to have passed.

    Args:
        certificate: the terminal's own, PEM.
        host_times: YYYYMMDDhhmmss of verified answers; others are passed over.
    """
    known = valid_from(certificate)
    for text in host_times:
        try:
            told = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC) - _SLACK
        except ValueError:
            continue
        known = max(known, told)
    return known


def request(key: bytes, terminal: str) -> bytes:
    """Return a PKCS#10 request (DER) for the terminal's name, signed with its key (PEM).

    Raises:
        ConfigError: not a private key on an elliptic curve.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, terminal)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return asked.sign(_key(key), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def accepted(made: bytes, *, key: bytes, ca: bytes, current: bytes, now: datetime) -> bytes:
    """Return a new certificate (DER) as PEM if it may take the current one's place.

    Raises:
        AuthenticityError: not a certificate, of another CA, name or key, not valid now, or not
            valid longer than the current one.
    """
    try:
        new = x509.load_der_x509_certificate(made)
        new.verify_directly_issued_by(_read(ca))
    except (ValueError, TypeError, InvalidSignature) as error:
        raise AuthenticityError("The new certificate is not of the acquirer's CA.") from error
    old = _read(current)
    if new.public_key() != _key(key).public_key() or new.subject != old.subject:
        raise AuthenticityError("The new certificate is for another key or name.")
    if not new.not_valid_before_utc <= now < new.not_valid_after_utc:
        raise AuthenticityError("The new certificate is not valid now.")
    if new.not_valid_after_utc <= old.not_valid_after_utc:
        raise AuthenticityError("The new certificate does not last longer than the old one.")
    return new.public_bytes(serialization.Encoding.PEM)


def _read(certificate: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(certificate)
    except ValueError as error:
        raise ConfigError("A certificate file cannot be read.") from error


def _key(key: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise ConfigError("The private key cannot be read.") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise ConfigError("The private key is not one on an elliptic curve.")
    return found
