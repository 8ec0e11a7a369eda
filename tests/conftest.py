"""What every test gets: a blocked event loop fails it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx


@pytest.fixture(autouse=True)
def blocked_loop_fails(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Fail tests whose coroutines call something that blocks; `may_block` names the exceptions."""
    if request.node.get_closest_marker("may_block"):
        yield None
        return
    with blockbuster_ctx("posfw", excluded_modules=["posfw.sim"]) as watch:
        # anyio looks once whether an old socket lies in the way: microseconds, at start-up only.
        watch.functions["os.stat"].can_block_in(
            "anyio/_core/_sockets.py", "setup_unix_local_socket"
        )
        yield watch
