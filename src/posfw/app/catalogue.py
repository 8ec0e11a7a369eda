"""Loads a language's catalogue: the one place where `posfw/locale` is read."""

from __future__ import annotations

from gettext import GNUTranslations
from pathlib import Path

import posfw
from posfw.values.texts import ENGLISH, LANGUAGES, Texts

__all__ = ["load_texts"]


def load_texts(language: str) -> Texts:
    """Return the texts of a language of LANGUAGES; every other language is shown English."""
    if language == "en" or language not in LANGUAGES:
        return ENGLISH
    folder = Path(posfw.__file__).parent / "locale" / language.replace("-", "_")
    with (folder / "LC_MESSAGES" / "posfw.mo").open("rb") as file:
        return Texts(language, GNUTranslations(file).gettext)
