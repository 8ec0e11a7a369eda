"""EmvParameters from plain values: a TOML file's tables or a parameter message's maps.

Closed: an unknown key is a mistake, every mistake is told at once, with its line where there is a
file. Byte strings are hex in TOML; bytes are taken as they are, so the same shape travels in CBOR.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from posfw.emv.parameters import (
    EXCEPTION_BYTES,
    AidParameters,
    CaKey,
    EmvParameters,
    ExceptionFile,
    Revoked,
)
from posfw.values.errors import ConfigError

__all__ = ["from_plain", "from_toml"]

Rule = Callable[[Any], Any]


def from_toml(text: str, *, source: str) -> EmvParameters:
    """Read a file's text.

    Raises:
        ConfigError: not TOML, or any value that is wrong; lists all of them.
    """
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}.", code="CFG-002") from error
    return from_plain(plain, source=source, lines=_lines(text))


def _lines(text: str) -> dict[str, int]:
    """Return the line of each table and key of this file's flat shape, by its place's name."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        head = _HEAD.match(line)
        if head is not None:
            table = head[2]
            if head[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
                found.setdefault(table, number)
                table = f"{table} {counts[table]}"
            found[table] = number
        elif (key := _KEY.match(line)) is not None:
            found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
    return found


def from_plain(
    plain: Mapping[str, Any], *, source: str, lines: Mapping[str, int] | None = None
) -> EmvParameters:
    """Read the shape of docs/emv.md: tables `terminal` and `exceptions`, the rest lists.

    Args:
        plain: the tables.
        source: what the mistakes are of.
        lines: the line of each place, where it is a file.

    Raises:
        ConfigError: lists every mistake, one a line.
    """
    mistakes = [f"{each} is not known here" for each in sorted(set(plain) - _TABLES)]
    terminal = _read(plain.get("terminal", {}), _TERMINAL, (), "terminal", mistakes)
    aids = list(_each(plain, "aid", _AID, ("aid", *_TACS), mistakes))
    keys = list(_each(plain, "ca_key", _CA_KEY, _CA_KEY_NEEDS, mistakes))
    revoked = list(_each(plain, "revoked", _REVOKED, tuple(_REVOKED), mistakes))
    listed: dict[str, Any] = {}
    if "exceptions" in plain:
        needs = tuple(_EXCEPTIONS)
        listed = _read(plain["exceptions"], _EXCEPTIONS, needs, "exceptions", mistakes)
    if not aids and not mistakes:
        mistakes.append("aid: at least one application is needed")
    mistakes += [
        *_odd_keys(keys),
        *_twice("aid", aids, "aid"),
        *_twice("ca_key", keys, "rid", "index"),
    ]
    if mistakes:
        told = [f"{source}{_line(mistake, lines or {})}: {mistake}" for mistake in mistakes]
        raise ConfigError("\n".join(told), mistakes=told)
    return EmvParameters(
        aids=tuple(AidParameters(**each) for each in aids),
        ca_keys=tuple(CaKey(**each) for each in keys),
        revoked=tuple(Revoked(**each) for each in revoked),
        exceptions=ExceptionFile(**listed),
        **terminal,
    )


def _line(mistake: str, lines: Mapping[str, int]) -> str:
    """Return ", line 7" of the key that the mistake names, else of its table, else nothing."""
    place = mistake.split(":", maxsplit=1)[0].split(" is not known", maxsplit=1)[0]
    number = lines.get(place) or lines.get(place.split(".")[0])
    return f", line {number}" if number else ""


def _odd_keys(keys: Iterable[dict[str, Any]]) -> Iterable[str]:
    """Tell keys that cannot be used (Book 2, 11.2.2 and annex B2.1)."""
    for number, each in enumerate(keys, start=1):
        if not all(name in each for name in _CA_KEY_NEEDS):
            continue  # that has been told
        if int.from_bytes(each["exponent"], "big") not in EXPONENTS:
            yield f"ca_key {number}.exponent: must be 3 or 65537"
        if not CaKey(**each).intact:
            yield f"ca_key {number}.checksum: the checksum does not fit the key"


def _twice(name: str, tables: Iterable[dict[str, Any]], *keys: str) -> Iterable[str]:
    """Tell a table that says again what an earlier one says: nobody knows which counts."""
    seen: dict[tuple[object, ...], int] = {}
    for number, each in enumerate(tables, start=1):
        if all(key in each for key in keys):
            first = seen.setdefault(tuple(each[key] for key in keys), number)
            if first != number:
                yield f"{name} {number}: is the same as {name} {first}"


def _each(
    plain: Mapping[str, Any],
    name: str,
    rules: Mapping[str, Rule],
    needs: Iterable[str],
    mistakes: list[str],
) -> Iterable[dict[str, Any]]:
    tables = plain.get(name, [])
    if not isinstance(tables, list):
        mistakes.append(f"{name}: must be a list of tables")
        return
    for number, table in enumerate(tables, start=1):
        yield _read(table, rules, needs, f"{name} {number}", mistakes)


def _read(
    table: object,
    rules: Mapping[str, Rule],
    needs: Iterable[str],
    where: str,
    mistakes: list[str],
) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        mistakes.append(f"{where}: must be a table")
        return {}
    found: dict[str, Any] = {}
    for key, value in table.items():
        rule = rules.get(key)
        if rule is None:
            mistakes.append(f"{where}.{key}: is not known here")
            continue
        try:
            found[key] = rule(value)
        except ValueError as error:
            mistakes.append(f"{where}.{key}: {error}")
    mistakes += [f"{where}.{key}: is missing" for key in needs if key not in table]
    return found


def _octets(least: int, most: int) -> Rule:
    def rule(value: object) -> bytes:
        data = bytes.fromhex(value) if isinstance(value, str) else value
        if not isinstance(data, bytes) or not least <= len(data) <= most:
            raise ValueError(f"must be {least} to {most} bytes, in hex")
        return data

    return rule


def _whole(least: int, most: int) -> Rule:
    def rule(value: object) -> int:
        # bool is an int in Python; `floor_minor = true` is wrong all the same.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return rule


def _text(most: int) -> Rule:
    def rule(value: object) -> str:
        if not isinstance(value, str) or len(value) > most or not value.isascii():
            raise ValueError(f"must be at most {most} plain characters")
        return value

    return rule


def _cards(value: object) -> frozenset[bytes]:
    if not isinstance(value, list) or len(value) > MOST_EXCEPTIONS:
        raise ValueError(f"must be a list of at most {MOST_EXCEPTIONS}")
    rule = _octets(EXCEPTION_BYTES, EXCEPTION_BYTES)
    return frozenset(rule(each) for each in value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - a wrong value of a file
    return value


def _day(value: object) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value)
    if type(value) is not date:
        raise ValueError("must be a date")
    return value


def _tac(value: object) -> int:
    return int.from_bytes(_octets(5, 5)(value), "big")


EXPONENTS: Final = (3, 65537)
_HEAD: Final = re.compile(r"\s*(\[\[?)\s*(\w+)\s*\]")
_KEY: Final = re.compile(r"\s*(\w+)\s*=")
_TABLES: Final = {"terminal", "aid", "ca_key", "revoked", "exceptions"}
MOST_EXCEPTIONS: Final = 20_000
_TACS: Final = ("tac_denial", "tac_online", "tac_default")
_CA_KEY_NEEDS: Final = ("rid", "index", "modulus", "exponent", "checksum")
_TERMINAL: Final[Mapping[str, Rule]] = {
    "country": _whole(0, 999),
    "terminal_type": _whole(0x11, 0x36),
    "capabilities": lambda value: int.from_bytes(_octets(3, 3)(value), "big"),
    "additional": _octets(5, 5),
    "terminal": _text(8),
    "merchant": _text(15),
    "merchant_name": _text(40),
    "category": _whole(0, 9999),
    "acquirer": _whole(0, 99_999_999_999),
    "serial": _text(8),
    "choice": _flag,
    "pin_bypass": _flag,
    "identity_check": _flag,
}
_AID: Final[Mapping[str, Rule]] = {
    "aid": _octets(5, 16),
    "tac_denial": _tac,
    "tac_online": _tac,
    "tac_default": _tac,
    "version": _octets(2, 2),
    "floor_minor": _whole(0, 0xFFFFFFFF),
    "threshold_minor": _whole(0, 0xFFFFFFFF),
    "target_percent": _whole(0, 99),
    "max_target_percent": _whole(0, 99),
    "partial": _flag,
    "ddol": _octets(0, 252),
    "tdol": _octets(0, 252),
}
_CA_KEY: Final[Mapping[str, Rule]] = {
    "rid": _octets(5, 5),
    "index": _whole(0, 255),
    "modulus": _octets(64, 248),
    "exponent": _octets(1, 3),
    "checksum": _octets(20, 20),
    "expires": _day,
}
_REVOKED: Final[Mapping[str, Rule]] = {
    "rid": _octets(5, 5),
    "index": _whole(0, 255),
    "serial": _octets(3, 3),
}
_EXCEPTIONS: Final[Mapping[str, Rule]] = {"salt": _octets(16, 64), "cards": _cards}
