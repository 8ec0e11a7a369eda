"""Entry point of the command `posfw` and of `python -m posfw`."""

from __future__ import annotations

from posfw.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
