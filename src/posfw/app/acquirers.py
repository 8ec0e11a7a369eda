"""Reads the shipped acquirer profiles and their fee schedules."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from posfw.activate import profile
from posfw.app.later import lazily

if TYPE_CHECKING:
    from posfw.settle import fees
else:
    fees = lazily("posfw.settle.fees")

__all__ = ["load_profiles", "schedule_of"]


class _Profiles(Mapping[str, profile.Profile]):
    """Profiles by id, parsed when they are asked for: a terminal has one acquirer."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._parsed: dict[str, profile.Profile] = {}

    def __getitem__(self, name: str) -> profile.Profile:
        if name not in self._parsed:
            text = self._texts[name]
            self._parsed[name] = profile.parse(text, source=f"{name}.toml", profile_id=name)
        return self._parsed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def load_profiles() -> Mapping[str, profile.Profile]:
    """Read the shipped acquirer profiles; files are read, so do it before the loop runs.

    Asking for one raises ConfigError where it has mistakes.
    """
    folder = importlib.resources.files("posfw") / "acquirers"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return _Profiles({f.name[:-5]: f.read_text(encoding="utf-8") for f in files})


def schedule_of(chosen: profile.Profile) -> fees.Schedule:
    """Return an acquirer's rates and BINs.

    Raises:
        ConfigError: they have mistakes.
    """
    return fees.parse(chosen.fees, chosen.bins, source=f"{chosen.id}.toml")
