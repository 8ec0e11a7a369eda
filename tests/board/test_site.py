from __future__ import annotations

from datetime import time

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
        ("[keys]", '[settlement]\nat = "25:00"\n[keys]', "must be a time of day"),
        ('name = "Corner shop"\n', "", "merchant.name: is missing"),
    ],
)
def test_a_mistake_in_a_site_is_named(old: str, new: str, told: str) -> None:
    assert old in SITE
    with pytest.raises(ConfigError, match=told.replace(".", r"\.")):
        parse_site(SITE.replace(old, new), source="site.toml")


def test_the_merchants_day_is_set_in_the_site_file_and_strict_by_default() -> None:
    site = parse_site(SITE, source="site.toml")
    assert (site.pre_activated, site.operators, site.settle_automatic) == (False, True, True)
    assert (site.profile, site.bank_key, site.settle_at) == ("unionpay", "", None)
    more = SITE.replace("[keys]", 'profile = "lakala"\n[settlement]\nat = "21:30"\n[keys]')
    told = parse_site("pre_activated = true\n" + more, source="site.toml")
    assert (told.pre_activated, told.profile, told.settle_at) == (True, "lakala", time(21, 30))
