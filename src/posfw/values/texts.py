"""Texts for people: one catalogue a language, looked up by the English sentence.

English is the key and the fallback; zh-Hans and zh-Hant come from `posfw/locale`. Errors are
looked up by their stable code. Receipts are bilingual by rule and name both words themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ENGLISH", "LANGUAGES", "Texts", "mark"]

LANGUAGES = ("zh-Hans", "zh-Hant", "en")


def mark(text: str) -> str:
    """Return `text` as it is; tells `scripts/catalogues.py` that it is translated where shown."""
    return text


@dataclass(frozen=True, slots=True)
class Texts:
    """A language; calling it translates a sentence and fills in named facts."""

    language: str = "en"
    translate: Callable[[str], str] = mark

    def __call__(self, text: str, **facts: object) -> str:
        """Return `text` in this language; a missing entry shows the English text."""
        # gettext looks up "" as the catalogue's own header.
        found = self.translate(text) if text else ""
        return found.format(**facts) if facts else found


ENGLISH = Texts()
