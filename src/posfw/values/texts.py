"""Texts for people: one catalogue a language, looked up by the English sentence.

English is the key and the fallback; zh-Hans and zh-Hant come from `posfw/locale`. Receipts are
bilingual by rule and name both words themselves (`pair`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ENGLISH", "LANGUAGES", "Texts"]

LANGUAGES = ("zh-Hans", "zh-Hant", "en")


@dataclass(frozen=True, slots=True)
class Texts:
    """A language and its catalogue; calling it translates and fills in named facts."""

    language: str = "en"
    catalogue: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, text: str, **facts: object) -> str:
        """Return `text` in this language; a missing entry shows the English text."""
        found = self.catalogue.get(text, text)
        return found.format(**facts) if facts else found


ENGLISH = Texts()
