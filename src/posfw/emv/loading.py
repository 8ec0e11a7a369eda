"""EmvParameters from plain values: a TOML file's tables or a parameter message's maps.

Closed: an unknown key is a mistake, every mistake is told at once. Byte strings are hex in TOML;
bytes are taken as they are, so the same shape travels in CBOR.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from posfw.emv.parameters import AidParameters, CaKey, EmvParameters, Revoked
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
    return from_plain(plain, source=source)


def from_plain(plain: Mapping[str, Any], *, source: str) -> EmvParameters:
    """Read the shape of docs/emv.md: a `terminal` table, lists `aid`, `ca_key` and `revoked`.

    Raises:
        ConfigError: lists every mistake, one a line.
    """
    mistakes = [f"{each} is not known here" for each in sorted(set(plain) - _TABLES)]
    terminal = _read(plain.get("terminal", {}), _TERMINAL, (), "terminal", mistakes)
    aids = list(_each(plain, "aid", _AID, ("aid", *_TACS), mistakes))
    keys = list(_each(plain, "ca_key", _CA_KEY, _CA_KEY_NEEDS, mistakes))
    revoked = list(_each(plain, "revoked", _REVOKED, tuple(_REVOKED), mistakes))
    if not aids and not mistakes:
        mistakes.append("aid: at least one application is needed")
    if not mistakes:
        ca_keys = tuple(CaKey(**each) for each in keys)
        mistakes += [
            f"ca_key {key.rid.hex().upper()} {key.index:02X}: the checksum does not fit"
            for key in ca_keys
            if not key.intact
        ]
    if mistakes:
        lines = [f"{source}: {mistake}" for mistake in mistakes]
        raise ConfigError("\n".join(lines), mistakes=lines)
    return EmvParameters(
        aids=tuple(AidParameters(**each) for each in aids),
        ca_keys=ca_keys,
        revoked=tuple(Revoked(**each) for each in revoked),
        **terminal,
    )


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


_TABLES: Final = {"terminal", "aid", "ca_key", "revoked"}
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
