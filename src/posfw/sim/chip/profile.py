"""What a simulated card is: its application, risk data and keys; and its personalisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from posfw.sim.chip import pki
from posfw.sim.chip.ber import cn, numeric, tlv

__all__ = ["MASTERCARD", "SCHEMES", "UNIONPAY", "VISA", "Profile", "personalise"]

CDOL1: Final = bytes.fromhex("9F02069F03069F1A0295055F2A029A039C019F37049F35019F3403")
CA_INDEX: Final = 0xF0  # an index no payment system has published
ISSUER_KEY: Final = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # simulation only


@dataclass(frozen=True, slots=True)
class Profile:
    """One card.

    Attributes:
        method: sda, dda, cda or none.
        cvm: rules of tag 8E behind the two amounts, in hex.
        issuer_authentication: external (EXTERNAL AUTHENTICATE), second (in CDOL2) or none.
        willing: obey gives what is asked; online and decline give less wherever they can.
        velocity: lower and upper consecutive offline limit, None for none.
        tdol: the card asks for a TC hash over this list.
        answer_format: 1 or 2, for GPO and GENERATE AC.
        directory: the card has a PSE.
        applications: further AIDs in the directory that lead to the same data.
        signed_aip: 9F4A names the AIP, so that nobody can take authentication out of it.
    """

    scheme: str
    aid: bytes
    label: str
    pan: str
    sequence: int = 1
    expiry: str = "301231"
    effective: str = "200101"
    country: int = 156
    currency: int = 156
    method: str = "dda"
    cvm: str = "42031E031F03"
    cvm_x: int = 0
    cvm_y: int = 0
    pin: str = "1234"
    tries: int = 3
    iac_denial: str = "0000000000"
    iac_online: str = "F8F8F8F800"
    iac_default: str = "F8F8F8F800"
    usage: str = "FF00"
    version: str = "008C"
    cryptogram: str = "unionpay"
    issuer_authentication: str = "external"
    willing: str = "obey"
    velocity: tuple[int, int] | None = None
    atc: int = 26
    last_online_atc: int = 20
    pdol: str = "9F1A0295055F2A029A039C01"
    tdol: str = ""
    answer_format: int = 2
    directory: bool = True
    priority: int = 1
    applications: tuple[tuple[bytes, str, int], ...] = ()
    ca_bits: int = 1984
    issuer_bits: int = 1408
    icc_bits: int = 1024
    exponent: int = 3
    signed_aip: bool = True
    extra: dict[int, bytes] = field(default_factory=dict)
    without: frozenset[int] = frozenset()

    @property
    def aip(self) -> bytes:
        """Application Interchange Profile."""
        bits = {"sda": 0x40, "dda": 0x20, "cda": 0x21, "none": 0}[self.method]
        bits |= 0x18  # cardholder verification, terminal risk management
        bits |= 0x04 if self.issuer_authentication == "external" else 0
        return bytes((bits, 0))

    @property
    def rid(self) -> bytes:
        """The payment system."""
        return self.aid[:5]

    @property
    def cdol1(self) -> bytes:
        """What the first GENERATE AC asks for."""
        return CDOL1 + (bytes.fromhex("9814") if self.tdol else b"")

    @property
    def cdol2(self) -> bytes:
        """What the second one asks for."""
        second = bytes.fromhex("910A") if self.issuer_authentication == "second" else b""
        return bytes.fromhex("8A02") + second + CDOL1


@dataclass(frozen=True, slots=True)
class Personalised:
    """Records by (SFI, number), and the keys that stay inside."""

    afl: bytes
    records: dict[tuple[int, int], bytes]
    keys: pki.CardKeys | None


UNIONPAY: Final = Profile(
    "unionpay", bytes.fromhex("A000000333010101"), "PBOC DEBIT", "6216261000000000018"
)
VISA: Final = Profile(
    "visa",
    bytes.fromhex("A0000000031010"),
    "VISA CREDIT",
    "4761739001010119",
    country=840,
    cvm="44031E031F03",
    cryptogram="visa10",
    pdol="",
    answer_format=1,
)
MASTERCARD: Final = Profile(
    "mastercard",
    bytes.fromhex("A0000000041010"),
    "MASTERCARD",
    "5413330089020011",
    country=840,
    method="cda",
    cvm="440341031E031F03",
    cryptogram="common",
    issuer_authentication="second",
    pdol="",
)
SCHEMES: Final = (UNIONPAY, VISA, MASTERCARD)


def personalise(profile: Profile) -> Personalised:
    """Return the card's records: one of identity, one signed of risk data, the rest certificates.

    SFI 1 record 1 holds track 2 and name, SFI 2 record 1 the signed data, SFI 3 the keys.
    """
    signed = _record(profile, _risk_data(profile))
    static = _content(signed) + (profile.aip if profile.signed_aip else b"")
    objects, keys = _keys(profile, static)
    records = {(1, 1): _record(profile, _identity(profile)), (2, 1): signed}
    groups = _groups({tag: objects[tag] for tag in objects if tag not in profile.without})
    for number, group in enumerate(groups, start=1):
        records[3, number] = tlv(0x70, *(tlv(tag, value) for tag, value in group.items()))
    afl = bytes.fromhex("0801010010010101")
    if groups:
        afl += bytes((0x18, 1, len(groups), 0))
    return Personalised(afl, records, keys)


def _record(profile: Profile, objects: dict[int, bytes]) -> bytes:
    kept = {tag: value for tag, value in objects.items() if tag not in profile.without}
    return tlv(0x70, *(tlv(tag, value) for tag, value in kept.items()))


def _content(record: bytes) -> bytes:
    return record[3:] if record[1] == 0x81 else record[2:]


def _identity(profile: Profile) -> dict[int, bytes]:
    track2 = f"{profile.pan}D{profile.expiry[:4]}2200000000000"
    return {0x57: cn(track2[:37]), 0x5F20: b"TEST/CARD", 0x9F1F: b"0" * 16}


def _risk_data(profile: Profile) -> dict[int, bytes]:
    amounts = profile.cvm_x.to_bytes(4, "big") + profile.cvm_y.to_bytes(4, "big")
    objects = {
        0x5A: cn(profile.pan),
        0x5F24: bytes.fromhex(profile.expiry),
        0x5F25: bytes.fromhex(profile.effective),
        0x5F28: numeric(profile.country, 2),
        0x5F30: bytes.fromhex("0220"),
        0x5F34: numeric(profile.sequence, 1),
        0x8C: profile.cdol1,
        0x8D: profile.cdol2,
        0x8E: amounts + bytes.fromhex(profile.cvm),
        0x9F07: bytes.fromhex(profile.usage),
        0x9F08: bytes.fromhex(profile.version),
        0x9F0D: bytes.fromhex(profile.iac_default),
        0x9F0E: bytes.fromhex(profile.iac_denial),
        0x9F0F: bytes.fromhex(profile.iac_online),
        0x9F42: numeric(profile.currency, 2),
    }
    if profile.velocity is not None:
        objects |= {0x9F14: bytes(profile.velocity[:1]), 0x9F23: bytes(profile.velocity[1:])}
    if profile.tdol:
        objects[0x97] = bytes.fromhex(profile.tdol)
    if profile.signed_aip and profile.method != "none":
        objects[0x9F4A] = b"\x82"
    return objects | profile.extra


def _keys(profile: Profile, static: bytes) -> tuple[dict[int, bytes], pki.CardKeys | None]:
    """Certificates by tag, and the card's own keys."""
    if profile.method == "none":
        return {}, None
    exponent = profile.exponent
    ca = pki.authority(profile.rid, profile.ca_bits, exponent)
    issuer = pki.spare(f"issuer {profile.scheme}", profile.issuer_bits, exponent)
    certificate, remainder = pki.certify_issuer(ca, issuer, profile.pan)
    objects = {0x8F: bytes((CA_INDEX,)), 0x90: certificate, 0x9F32: issuer.exponent_bytes}
    if remainder:
        objects[0x92] = remainder
    if profile.method == "sda":
        objects[0x93] = pki.sign(issuer, 0x03, b"\x01\xda\xc0", static)
        return objects, None
    icc = pki.spare(f"icc {profile.scheme}", profile.icc_bits, exponent)
    pin = pki.spare(f"pin {profile.scheme}", 1024, exponent)
    for key, tags, covered in (
        (icc, (0x9F46, 0x9F47, 0x9F48), static),
        (pin, (0x9F2D, 0x9F2E, 0x9F2F), b""),
    ):
        certificate, remainder = pki.certify_card(issuer, key, profile.pan, covered)
        objects |= {tags[0]: certificate, tags[1]: key.exponent_bytes}
        if remainder:
            objects[tags[2]] = remainder
    objects[0x9F49] = bytes.fromhex("9F3704")
    return objects, pki.CardKeys(icc, pin, objects)


def _groups(objects: dict[int, bytes]) -> list[dict[int, bytes]]:
    """Distribute over records of at most 250 bytes, fewest first: records cost commands."""
    groups: list[tuple[int, dict[int, bytes]]] = []
    for tag, value in sorted(objects.items(), key=lambda item: -len(item[1])):
        size = len(tlv(tag, value))
        for place, (used, group) in enumerate(groups):
            if used + size <= 250:
                groups[place] = (used + size, group | {tag: value})
                break
        else:
            groups.append((size, {tag: value}))
    return [group for _, group in groups]
