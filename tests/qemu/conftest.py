"""Guests are slow and need QEMU and an image: `make qemu-test BOARD=...` plays them."""

from __future__ import annotations

import os

import pytest
from emulated.machine import missing

BOARD = os.environ.get("POSFW_QEMU", "")


@pytest.fixture
def board() -> str:
    """The board that is emulated."""
    if not BOARD:
        pytest.skip("plays in an emulated machine: make qemu-test BOARD=qemu-virt-arm64")
    if why := missing(BOARD):
        pytest.skip(why)
    return BOARD
