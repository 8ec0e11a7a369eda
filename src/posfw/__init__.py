"""posfw: the open application of a card payment terminal on ARM Linux boards."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
