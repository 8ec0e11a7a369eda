"""Care of the terminal's certificate: warned of 30 days ahead, renewed over the uplink."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from posfw.app.later import lazily, loaded
from posfw.app.verbs import Body, Progress, Verb
from posfw.ports import Acquirer, Clock, Records
from posfw.values.errors import LinkError, PosfwError, RefusedError
from posfw.values.events import Record, Topic

if TYPE_CHECKING:
    from posfw.uplink import certificate as certificates
else:
    certificates = lazily("posfw.uplink.certificate")

__all__ = ["CertificateCare", "known_time"]

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CertificateCare:
    """Looks after one certificate file.

    Attributes:
        acquirer: asked for the renewal.
        records: warnings and renewals are on record.
        clock: for expiry.
        terminal: the certificate's name.
        ca: PEM file that must have signed the new one.
        certificate: PEM file that is replaced whole; the uplink reads it for every connection.
        key: PEM file of the private key, kept.
    """

    acquirer: Acquirer
    records: Records
    clock: Clock
    terminal: str
    ca: Path
    certificate: Path
    key: Path

    def verbs(self) -> Mapping[str, Verb]:
        """Return the certificate's verbs."""
        return {"certificate": self._status, "certificate_renew": self._renew}

    async def run(self) -> None:
        """Look once a day until cancelled; renew as soon as the warning time has begun."""
        await loaded()
        while True:
            days = await self.days()
            if days <= certificates.WARN_DAYS:
                await self._note("certificate_expires", days)
                try:
                    await self.renew()
                except PosfwError:
                    await self._note("certificate_not_renewed", days)  # tomorrow again
            await anyio.sleep(DAY_S)

    async def days(self) -> int:
        """Return whole days until the certificate ends."""
        return certificates.days_left(
            await anyio.Path(self.certificate).read_bytes(), self.clock.now()
        )

    async def renew(self) -> int:
        """Ask for a certificate for the same key and put it in place; return its days.

        Raises:
            LinkError: the acquirer did not answer.
            RefusedError: it refused.
            AuthenticityError: what it sent may not take the old one's place.
        """
        key = await anyio.Path(self.key).read_bytes()
        fields = {"step": "renew", "csr": certificates.request(key, self.terminal)}
        answer = await self.acquirer.call("activation", fields)
        made = answer.get("certificate")
        if answer.get("response_code") != "00" or not isinstance(made, bytes):
            raise RefusedError(
                f"The acquirer refused a new certificate: {answer.get('response_code')}.",
                code="NET-142",
                next_step="Call the acquirer.",
            )
        pem = certificates.accepted(
            made,
            key=key,
            ca=await anyio.Path(self.ca).read_bytes(),
            current=await anyio.Path(self.certificate).read_bytes(),
            now=self.clock.now(),
        )
        await anyio.to_thread.run_sync(_replace, self.certificate, pem)
        days = await self.days()
        await self._note("certificate_renewed", days)
        return days

    async def _note(self, name: str, days: int) -> None:
        await self.records.append(
            Record(Topic.SYSTEM, name, self.clock.now(), body={"days": days})
        )

    async def _status(self, _: Body, __: Progress) -> Body:
        pem = await anyio.Path(self.certificate).read_bytes()
        days = certificates.days_left(pem, self.clock.now())
        told = {
            "ok": days > certificates.WARN_DAYS,
            "days_left": days,
            "warn_days": certificates.WARN_DAYS,
        }
        return told | certificates.facts(pem)

    async def _renew(self, _: Body, __: Progress) -> Body:
        try:
            return {"ok": True, "days_left": await self.renew()}
        except LinkError as error:
            return {"ok": False, "code": error.stable_code, "cause": error.cause}


async def known_time(records: Records, certificate: Path) -> datetime:
    """Return the latest time that is known to have passed: the floor of `dialler`."""
    await loaded()
    signed_on = await records.read(Topic.SESSION)
    told = tuple(str(each.body.get("host_time", "")) for each in signed_on)
    return certificates.floor(await anyio.Path(certificate).read_bytes(), told)


def _replace(path: Path, data: bytes) -> None:
    """Write beside, flush, rename, flush the folder: the old file or the new one, never half."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
