"""The contact kernel's claims: how many commands a sale takes, and what it costs to think."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import replace
from datetime import UTC, datetime

from bench.claim import Claim, best
from posfw.emv.effects import Answer, Request, Verdict
from posfw.emv.kernel import Kernel, begin, step
from posfw.emv.parameters import EmvParameters
from posfw.sim.chip import pki
from posfw.sim.chip.card import ChipCard
from posfw.sim.chip.drive import Counter, parameters, run
from posfw.sim.chip.issuer import Issuer
from posfw.sim.chip.profile import UNIONPAY, Profile, personalise
from posfw.values.money import Money

SALES = 50
REQUEST = Request(Money(30_000), datetime(2026, 11, 24, tzinfo=UTC), b"1234", 50)


def _counter(profile: Profile) -> tuple[Counter, ChipCard]:
    chance = random.Random(1)
    card = ChipCard(profile, chance.randbytes)
    return Counter(card.transmit, chance.randbytes, pins=["1234"], issuer=Issuer()), card


def _demanded(profile: Profile) -> int:
    """What the card's own data asks for, counted from its profile and not from the kernel.

    SELECT PSE, its one record and the "no more" after it, SELECT, GPO, the AFL's records, a
    signature, two GET DATA where the card has velocity limits, two cryptograms and, where the AIP
    says so, EXTERNAL AUTHENTICATE.
    """
    directory = 3
    records = len(personalise(profile).records)
    signature = 1 if profile.method == "dda" else 0
    counters = 2 if profile.velocity else 0
    external = 1 if profile.issuer_authentication == "external" else 0
    return directory + 2 + records + signature + counters + 2 + external


def emv_apdu() -> Claim:
    """Count the commands of a DDA sale with online PIN that the issuer approves, under T=1."""
    profile = replace(UNIONPAY, velocity=(200, 250))
    counter, _ = _counter(profile)
    finished = run(begin(parameters([profile]), REQUEST), counter)
    if finished.verdict is not Verdict.APPROVED_ONLINE:
        raise SystemExit(f"the sale ended as {finished.verdict}")
    return Claim(
        counter.apdus,
        _demanded(profile),
        "commands",
        1.0,
        "DDA sale, online PIN, issuer authentication; other: counted from the card's profile",
    )


def _recorded(profile: Profile, made: EmvParameters) -> list[Answer]:
    """Play one sale and keep what the kernel was told."""
    counter, _ = _counter(profile)
    answers: list[Answer] = []
    kernel = begin(made, REQUEST)
    while kernel.finished is None:
        answers.append(counter.perform(kernel.effect))
        kernel = step(kernel, answers[-1])
    if kernel.finished.verdict is not Verdict.APPROVED_ONLINE:
        raise SystemExit(f"the sale ended as {kernel.finished.verdict}")
    return answers


def _kernel_us(made: EmvParameters, answers: list[Answer]) -> float:
    before = time.process_time()
    for _ in range(SALES):
        kernel: Kernel = begin(made, REQUEST)
        for answer in answers:
            kernel = step(kernel, answer)
    return (time.process_time() - before) / SALES * 1e6


def _bare_us(profile: Profile) -> float:
    """Three recoveries and three hashes of the same sizes, nothing looked at."""
    keys = [
        pki.authority(profile.rid, profile.ca_bits, profile.exponent),
        pki.spare(f"issuer {profile.scheme}", profile.issuer_bits, profile.exponent),
        pki.spare(f"icc {profile.scheme}", profile.icc_bits, profile.exponent),
    ]
    signatures = [key.apply(bytes(key.size - 1) + b"\x07") for key in keys]
    before = time.process_time()
    for _ in range(SALES):
        for key, signature in zip(keys, signatures, strict=True):
            opened = pow(int.from_bytes(signature, "big"), key.public, key.modulus)
            hashlib.sha1(opened.to_bytes(key.size, "big"), usedforsecurity=False).digest()
    return (time.process_time() - before) / SALES * 1e6


def _cpu(exponent: int) -> tuple[float, float]:
    profile = replace(UNIONPAY, exponent=exponent)
    made = parameters([profile])
    answers = _recorded(profile, made)
    return best(lambda: _kernel_us(made, answers)), best(lambda: _bare_us(profile))


def emv_cpu() -> Claim:
    """CPU of the kernel for a DDA sale against the bare RSA and SHA-1 operations in it."""
    ours, bare = _cpu(65537)
    ours_3, bare_3 = _cpu(3)
    return Claim(
        ours,
        bare,
        "us CPU",
        2.0,
        "DDA sale, keys 1984/1408/1024 bits, exponent 65537; with exponent 3, where RSA costs next"
        f" to nothing: {ours_3:.0f} against {bare_3:.0f} us",
    )


CLAIMS = {"emv_apdu": emv_apdu, "emv_cpu": emv_cpu}
