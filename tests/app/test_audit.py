from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posfw.app.audit import digests, note_site
from posfw.board.site import parse_site
from posfw.values.events import Topic
from tests.app.fakes import SetClock, opened
from tests.app.till import SITE


async def test_a_changed_site_file_leaves_a_record_and_an_unchanged_one_none(
    tmp_path: Path,
) -> None:
    clock = SetClock()
    site = parse_site(SITE, source="site.toml")
    async with opened(tmp_path, clock) as journal:
        assert await note_site(journal, site, clock) == ()
        assert await note_site(journal, parse_site(SITE, source="other.toml"), clock) == ()
        first, *rest = await journal.read(Topic.POLICY)
        assert rest == []
        other = replace(site, policy={"per_transaction_minor": 9}, footer="sale!")
        assert await note_site(journal, other, clock) == ("footer", "policy")
        *_, second = await journal.read(Topic.POLICY)
        assert second.body["changed"] == ["footer", "policy"]
        assert second.body["digest"] != first.body["digest"]
        # Back again is a change too.
        assert await note_site(journal, site, clock) == ("footer", "policy")
        assert len(await journal.read(Topic.POLICY)) == 3


def test_values_stay_out_of_the_journal_and_the_order_of_keys_does_not_matter() -> None:
    site = parse_site(SITE, source="site.toml")
    one = replace(site, keys={"library": "a", "pin_file": "/secret/pin"})
    two = replace(site, keys={"pin_file": "/secret/pin", "library": "a"})
    assert digests(one) == digests(two)
    assert "secret" not in repr(digests(one))
    assert digests(one)["keys"] != digests(replace(one, keys={"library": "b"}))["keys"]
