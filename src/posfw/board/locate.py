"""Where in a TOML text each key stands: tomllib tells values only, an error needs the line.

A tokenizer of TOML 1.0 just good enough to walk a text that tomllib has already accepted: it
never validates, so what it finds is a place for a message and nothing else.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["KeyPath", "dotted", "locate"]

KeyPath: TypeAlias = tuple[str, ...]

# Multi-line strings come before plain ones, a bare word takes everything TOML gives no meaning to.
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)
      | (?P<newline>\n)
      | (?P<string>\"\"\"(?:\\.|[^\\])*?\"\"\"+|'''.*?'''+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
      | (?P<mark>[\[\]{},=.])
      | (?P<bare>[^\s\[\]{},=\#"'.]+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def dotted(path: KeyPath) -> str:
    """Return a path as TOML writes it, keys that need it in quotes."""
    return ".".join(key if re.fullmatch(r"[\w!-]+", key) else f'"{key}"' for key in path)


def locate(text: str) -> dict[KeyPath, int]:
    """Return the line (from 1) of every key and table header of a valid TOML text.

    Keys of inline tables are included; items of arrays are not, they share their key's line.
    """
    walk = _Walk(list(_tokens(text)))
    walk.document()
    return walk.lines


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "space":
            yield _Token(kind, match.group(), line)
        line += match.group().count("\n")


@dataclass(slots=True)
class _Walk:
    tokens: list[_Token]
    at: int = 0
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def document(self) -> None:
        prefix: KeyPath = ()
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "newline":
                self.at += 1
            elif token.text == "[" and token.kind == "mark":
                prefix = self._header()
            else:
                self._pair(prefix)

    def _header(self) -> KeyPath:
        line = self.tokens[self.at].line
        while self._is("["):
            self.at += 1
        path = self._key()
        self._note(path, line)
        while self._is("]"):
            self.at += 1
        return path

    def _pair(self, prefix: KeyPath) -> None:
        line = self.tokens[self.at].line
        path = prefix + self._key()
        self._note(path, line)
        self.at += 1  # the equals sign
        self._value(path)

    def _key(self) -> KeyPath:
        keys = []
        while self.at < len(self.tokens) and not (self._is("=") or self._is("]")):
            token = self.tokens[self.at]
            if token.kind == "string":
                keys.append(tomllib.loads(f"k = {token.text}")["k"])
            elif token.kind == "bare":
                keys.append(token.text)
            self.at += 1
        return tuple(keys)

    def _value(self, path: KeyPath) -> None:
        if self._is("{"):
            self._inline(path)
            return
        depth = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "mark":
                if depth == 0 and token.text in ",}":
                    return
                depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token.text, 0)
            elif token.kind == "newline" and depth == 0:
                return
            self.at += 1

    def _inline(self, path: KeyPath) -> None:
        self.at += 1
        while self.at < len(self.tokens) and not self._is("}"):
            if self._is(","):
                self.at += 1
            else:
                self._pair(path)
        self.at += 1

    def _is(self, mark: str) -> bool:
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        return token.kind == "mark" and token.text == mark

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)
