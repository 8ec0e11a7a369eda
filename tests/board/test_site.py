from __future__ import annotations

import pytest

from posfw.board.site import parse_site
from posfw.values.errors import ConfigError

SITE = """
language = "en"
[merchant]
name = "Corner shop"
id = "898110154110001"
[terminal]
id = "12345678"
[acquirer]
name = "Test acquirer"
addresses = ["127.0.0.1:7001"]
server_name = "acquirer.example"
ca = "ca.pem"
certificate = "device.pem"
key = "device.key"
[keys]
file = "keys.json"
[policy]
enabled = true
entry_modes = ["swiped"]
[timing]
authorise_s = 1.5
"""


def test_a_site_is_read_with_defaults() -> None:
    site = parse_site(SITE, source="site.toml")
    assert site.terminal_id == "12345678"
    assert (site.timing.authorise_s, site.timing.inquiry_s) == (1.5, 60.0)
    assert site.policy["entry_modes"] == ["swiped"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "12345678"', 'id = "123"', "terminal.id: must have 8 characters"),
        ('["swiped"]', '["swipped"]', "unknown entry mode swipped"),
        ("authorise_s = 1.5", "authorise_s = 0", "must be above zero"),
        ("[keys]", "[kees]", "kees: is not known here"),
        ('language = "en"', 'language = "fr"', "must be one of"),
        ('name = "Corner shop"\n', "", "merchant.name: is missing"),
    ],
)
def test_a_mistake_in_a_site_is_named(old: str, new: str, told: str) -> None:
    assert old in SITE
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        parse_site(SITE.replace(old, new), source="site.toml")
