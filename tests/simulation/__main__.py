"""`python -m tests.simulation`: see `tests.simulation.campaign`."""

import sys

from tests.simulation.campaign import main

sys.exit(main())
