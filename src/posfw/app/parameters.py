"""What the acquirer sends to be kept: sets by name and version, and the limits among them.

The stricter of site file and acquirer counts, so a set can take away and never give. A set is
whole in one record: half a load is no load.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from posfw.app.verbs import Body, Progress, Verb
from posfw.ports import Acquirer, Clock, Records
from posfw.sale.limits import Limits
from posfw.values.errors import ConfigError, LinkError, RefusedError
from posfw.values.events import Plain, Record, Topic

__all__ = ["Parameters", "fold", "limited", "sets_of"]

MOST_SETS = 64
_LIMITS = ("per_transaction_minor", "refund_minor", "batch_records")
_OFFLINE = ("per_transaction_minor", "sum_minor", "count", "card_sum_minor", "card_count", "age_h")


def sets_of(answer: Mapping[str, object]) -> Mapping[str, Mapping[str, Plain]]:
    """Return the sets of a parameters answer, none where it has none.

    Raises:
        LinkError: ACT-124, a set without a version, or of another shape.
    """
    told = answer.get("sets", {})
    if not isinstance(told, Mapping) or len(told) > MOST_SETS:
        raise LinkError("The acquirer's parameters have another shape.", code="ACT-124")
    for name, values in told.items():
        whole = isinstance(values, Mapping) and type(values.get("version")) is int
        if (
            not isinstance(name, str)
            or not whole
            or not all(isinstance(key, str) for key in values)
        ):
            raise LinkError(f"The parameters {str(name)[:20]!r} have no version.", code="ACT-124")
    return told


def fold(records: Iterable[Record]) -> Mapping[str, Mapping[str, Any]]:
    """Return the newest of each set by its name."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in records:
        name, values = record.body.get("set"), record.body.get("values")
        if record.name == "loaded" and isinstance(name, str) and isinstance(values, Mapping):
            found[name] = values
    return found


def limited(limits: Limits, sets: Mapping[str, Mapping[str, Any]]) -> Limits:
    """Return the limits with what the acquirer's sets `limits` and `offline` make stricter."""
    policy, told = limits.offline, sets.get("offline", {})
    enabled = policy.enabled and told.get("enabled") is not False
    offline = replace(policy, enabled=enabled, **_stricter(policy, told, _OFFLINE))
    return replace(limits, offline=offline, **_stricter(limits, sets.get("limits", {}), _LIMITS))


async def _nobody() -> None:
    return


def _stricter(now: object, told: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {
        name: min(getattr(now, name), value)
        for name in names
        if type(value := told.get(name)) is int and value >= 0
    }


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Parameters:
    """Verbs over the PARAMETERS topic.

    Attributes:
        records: the journal's stream.
        acquirer: the line.
        clock: local time.
        site: the limits of the site file.
        apply: takes the limits that count from now on.
        tell: takes all sets that count from now on.
        judge: returns what is wrong with sets that came, before any of them is kept.
        loaded: is told of each complete load.
    """

    records: Records
    acquirer: Acquirer
    clock: Clock
    site: Limits = field(default_factory=Limits)
    apply: Callable[[Limits], None] = lambda _: None
    tell: Callable[[Mapping[str, Mapping[str, Any]]], None] = lambda _: None
    judge: Callable[[Mapping[str, Mapping[str, Any]]], Sequence[str]] = lambda _: ()
    loaded: Callable[[], Awaitable[None]] = _nobody

    def verbs(self) -> Mapping[str, Verb]:
        """Return the parameters' verbs."""
        return {"parameters": self._list, "parameters_load": self._load}

    async def load(self) -> str:
        """Load what the terminal does not have; return the response code.

        Raises:
            LinkError: no answer, or one of another shape; nothing is kept.
        """
        have = {name: each["version"] for name, each in (await self._sets()).items()}
        answer = await self.acquirer.call("parameters", {"have": have} if have else {})
        code = str(answer.get("response_code"))
        if code == "00":
            now, told = self.clock.now(), sets_of(answer)
            if wrong := [*self.judge(told), *_chip_faults(told)]:
                raise LinkError(f"The acquirer's parameters: {'; '.join(wrong)}", code="ACT-124")
            loaded = [
                Record(Topic.PARAMETERS, "loaded", now, body={"set": name, "values": dict(values)})
                for name, values in told.items()
            ]
            if loaded:
                await self.records.append(*loaded)
            await self.loaded()
        await self.refresh()
        return code

    async def refresh(self) -> None:
        """Let the limits count that the journal has now; call it at the start too."""
        sets = await self._sets()
        self.apply(limited(self.site, sets))
        self.tell(sets)

    async def _sets(self) -> Mapping[str, Mapping[str, Any]]:
        return fold(await self.records.read(Topic.PARAMETERS))

    async def limit(self, name: str, most: int) -> int:
        """Return a limit of the acquirer's set `limits` where it is stricter than `most`."""
        told = (await self._sets()).get("limits", {}).get(name)
        return min(most, told) if type(told) is int and told >= 0 else most

    async def versions(self) -> dict[str, int]:
        """Return the version of each set."""
        return {name: int(each["version"]) for name, each in sorted((await self._sets()).items())}

    async def _list(self, _: Body, __: Progress) -> Body:
        return await self._told()

    async def _told(self) -> dict[str, Any]:
        """Return versions, and of the chip's set what is in it."""
        sets = await self._sets()
        versions = {name: int(each["version"]) for name, each in sorted(sets.items())}
        if "emv" not in sets:
            return {"ok": True, "parameters": versions}
        from posfw.app.chip_sets import set_facts  # noqa: PLC0415 - terminals with a slot only

        return {"ok": True, "parameters": versions, "chip": set_facts(sets["emv"])}

    async def _load(self, _: Body, __: Progress) -> Body:
        """下载参数: at any time after the activation."""
        code = await self.load()
        if code != "00":
            raise RefusedError(f"The acquirer refused parameters: {code}.", code="ACT-123")
        return await self._told()


def _chip_faults(told: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """Return what is wrong with the set `emv`: keys whose checksum does not fit, and the rest."""
    if "emv" not in told:
        return ()
    from posfw.app.chip_sets import emv_set  # noqa: PLC0415 - terminals with a slot only

    try:
        emv_set(told["emv"])
    except ConfigError as error:
        return str(error).splitlines()
    return ()
