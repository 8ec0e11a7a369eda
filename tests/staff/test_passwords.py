from __future__ import annotations

import hashlib
import hmac

import pytest

from posfw.staff.passwords import COST, DEFAULTS, Cost, check_new, digest, matches
from posfw.values.errors import InputError

QUICK = Cost(n=16, r=1, p=1)
PEPPER = b"p" * 32
SALT = b"s" * 16


def test_the_digest_is_scrypt_of_the_peppered_password() -> None:
    # RFC 7914, 12: the first published vector with N=16 judges the function underneath.
    assert hashlib.scrypt(b"", salt=b"", n=16, r=1, p=1, dklen=64).hex().startswith("77d6576238")
    keyed = hmac.new(PEPPER, b"471199", "sha256").digest()
    expected = hashlib.scrypt(keyed, salt=SALT, n=16, r=1, p=1, dklen=32)
    assert digest("471199", salt=SALT, pepper=PEPPER, cost=QUICK).digest == expected


def test_only_the_same_password_under_the_same_pepper_matches() -> None:
    secret = digest("471199", salt=SALT, pepper=PEPPER, cost=QUICK)
    assert matches("471199", secret, pepper=PEPPER)
    assert not matches("471198", secret, pepper=PEPPER)
    assert not matches("471199", secret, pepper=b"q" * 32)


def test_one_check_fits_into_the_boards_memory() -> None:
    assert COST.memory_bytes == 16 * 2**20


def test_a_real_check_works_with_the_shipped_cost() -> None:
    secret = digest("471199", salt=SALT, pepper=PEPPER)
    assert matches("471199", secret, pepper=PEPPER)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = digest("471199", salt=SALT, pepper=PEPPER, cost=QUICK)
    assert b"471199" not in str(secret.body()).encode()
    assert set(secret.body()) == {"salt", "digest", "n", "r", "p"}


@pytest.mark.parametrize(
    ("operator", "password"),
    [
        ("01", "123"),
        ("00", "48213"),
        ("99", "4821390"),
        ("01", "1234567890123"),
        ("01", "48a1"),
        ("01", "４８２１"),
        ("01", ""),
        ("01", "7777"),
        ("01", "2345"),
        ("01", "8901"),
        ("01", "9876"),
        ("00", "123456"),
        *DEFAULTS.items(),
    ],
)
def test_weak_passwords_are_refused(operator: str, password: str) -> None:
    with pytest.raises(InputError):
        check_new(operator, password)


@pytest.mark.parametrize(
    ("operator", "password"), [("01", "4821"), ("00", "482139"), ("99", "48213907")]
)
def test_ordinary_passwords_are_taken(operator: str, password: str) -> None:
    check_new(operator, password)
