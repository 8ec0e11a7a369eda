"""Reads the shipped acquirer profiles and their fee schedules."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping

from posfw.activate import profile
from posfw.settle import fees

__all__ = ["load_profiles", "schedule_of"]


def load_profiles() -> Mapping[str, profile.Profile]:
    """Read the shipped acquirer profiles; files are read, so do it before the loop runs.

    Raises:
        ConfigError: one of them has mistakes.
    """
    folder = importlib.resources.files("posfw") / "acquirers"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return {
        f.name[:-5]: profile.parse(
            f.read_text(encoding="utf-8"), source=f.name, profile_id=f.name[:-5]
        )
        for f in files
    }


def schedule_of(chosen: profile.Profile) -> fees.Schedule:
    """Return an acquirer's rates and BINs.

    Raises:
        ConfigError: they have mistakes.
    """
    return fees.parse(chosen.fees, chosen.bins, source=f"{chosen.id}.toml")
