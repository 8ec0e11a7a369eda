"""The merchant's logo: any picture becomes one bit a dot, or a reason why it is not printed."""

from __future__ import annotations

import logging
from pathlib import Path

from posfw.printer.layout import check_logo
from posfw.values.document import Logo
from posfw.values.errors import ConfigError

__all__ = ["load_logo"]

_log = logging.getLogger(__name__)


def load_logo(path: Path, dots: int) -> Logo | None:
    """Read the site file's `merchant.logo`; None and a log line where it cannot be printed.

    A receipt is never lost for its decoration, so no fault of a logo stops the terminal.
    """
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - most terminals have no logo

    try:
        with Image.open(path) as picture:
            grey = picture.convert("L")
        width, height = grey.size
        packed = grey.point(lambda value: 255 if value < 128 else 0).convert("1").tobytes()
        stride = (width + 7) // 8
        rows = tuple(packed[at : at + stride] for at in range(0, height * stride, stride))
        logo = Logo(width, rows)
        check_logo(logo, dots)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        _log.warning("merchant.logo %s cannot be read: %s", path, type(error).__name__)
        return None
    except ConfigError as error:
        _log.warning("%s %s", error.cause, error.next_step_text)
        return None
    return logo
