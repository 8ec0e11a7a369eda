"""Peers that are not what they should be: each has its own code, and the line comes back."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from posfw.app.certificate import CertificateCare
from posfw.app.world import SystemChance, SystemClock
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.acquirer import Acquirer
from posfw.sim.certificates import SERVER_NAME, Authority, Certificates, make
from posfw.uplink.certificate import accepted, days_left, floor, request, valid_from
from posfw.uplink.driver import dialler
from posfw.uplink.settings import UplinkSettings
from posfw.uplink.task import LineState, Uplink
from posfw.values.errors import AuthenticityError, LinkError
from posfw.values.events import Record, Topic
from tests.uplink.acquirer import Rows

pytestmark = pytest.mark.may_block  # key files are made here

TERMINAL, MERCHANT = "12345678", "898110154110001"
BASE_KEY, KEY_ID = bytes(range(32)), b"KEYID001"
Peer = Callable[[SocketStream], Awaitable[None]]


def context(certificates: Certificates, *, newest: bool = True) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificates.server, certificates.server_key)
    made.load_verify_locations(certificates.ca)
    made.verify_mode = ssl.CERT_REQUIRED
    if not newest:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def over_tls(made: ssl.SSLContext, then: Callable[[ByteStream], Awaitable[None]]) -> Peer:
    async def peer(stream: SocketStream) -> None:
        tls = await TLSStream.wrap(
            stream, server_side=True, ssl_context=made, standard_compatible=False
        )
        await then(tls)

    return peer


def by_hand(made: ssl.SSLContext) -> Peer:
    """Shake hands and send the alert if it fails, as a TLS server does (anyio's does not)."""

    async def peer(stream: SocketStream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = made.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                session.do_handshake()
            except ssl.SSLWantReadError:
                await stream.send(outgoing.read())
                incoming.write(await stream.receive())
                continue
            except ssl.SSLError:
                await stream.send(outgoing.read())
            break
        await silent(stream)

    return peer


async def silent(stream: ByteStream) -> None:
    async for _ in stream:
        pass


def says(data: bytes) -> Callable[[ByteStream], Awaitable[None]]:
    async def peer(stream: ByteStream) -> None:
        await stream.receive()
        await stream.send(data)
        await silent(stream)

    return peer


def closes(made: ssl.SSLContext) -> Peer:
    async def peer(stream: SocketStream) -> None:
        tls = await TLSStream.wrap(stream, server_side=True, ssl_context=made)
        await tls.receive()
        await tls.unwrap()  # says goodbye; a line cut without it is NET-126

    return peer


class Street:
    """One port behind which the peer can be changed."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.port = 0

    async def take(self, stream: SocketStream) -> None:
        async with stream:
            try:
                await self.peer(stream)
            except (OSError, anyio.BrokenResourceError, anyio.EndOfStream):
                return
            except anyio.ClosedResourceError:
                return


def uplink(certificates: Certificates, port: int, **changes: object) -> Uplink:
    settings = UplinkSettings(
        addresses=(f"127.0.0.1:{port}",),
        server_name=SERVER_NAME,
        terminal=TERMINAL,
        merchant=MERCHANT,
        heartbeat_s=0.05,
        echo_timeout_s=0.2,
        connect_timeout_s=0.3,
        retry_base_s=0.01,
        retry_cap_s=0.02,
    )
    settings = replace(settings, **changes)  # type: ignore[arg-type]  # named by the tests
    element = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, bytes(32))
    return Uplink(
        journal=Rows(),
        element=element,
        random=SystemChance(),
        clock=SystemClock(),
        settings=settings,
        dial=dialler(
            ca=certificates.ca,
            certificate=certificates.device,
            key=certificates.device_key,
            settings=settings,
        ),
    )


@asynccontextmanager
async def running(certificates: Certificates, peer: Peer) -> AsyncIterator[tuple[Uplink, Street]]:
    street = Street(peer)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    street.port = listener.extra(SocketAttribute.local_port)
    made = uplink(certificates, street.port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, street.take)
        group.start_soon(made.run)
        with anyio.fail_after(10):
            yield made, street
        group.cancel_scope.cancel()


async def code_of(made: Uplink) -> str:
    """Return the code with which the line is next offline."""
    while True:
        state = await made.changed()
        if state.line is LineState.OFFLINE:
            assert state.error
            return state.code


def good(certificates: Certificates) -> Peer:
    acquirer = Acquirer(BASE_KEY)
    served = context(certificates)

    async def peer(stream: SocketStream) -> None:
        tls = await TLSStream.wrap(
            stream, server_side=True, ssl_context=served, standard_compatible=False
        )
        await acquirer._line(tls)

    return peer


def folder(path: Path, **days: tuple[float, float]) -> Certificates:
    return make(path, TERMINAL, **days)  # type: ignore[arg-type]  # names of its own arguments


async def refuse(stream: SocketStream) -> None:
    await stream.aclose()


async def http(stream: SocketStream) -> None:
    await stream.receive()
    await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await silent(stream)


async def mute(stream: SocketStream) -> None:
    await silent(stream)


async def one_byte_then_nothing(stream: ByteStream) -> None:
    """One byte a minute: the second one never comes within any limit of the test."""
    await stream.receive()
    await stream.send(b"\x00\x00\x00")
    await silent(stream)


def expired(path: Path, ours: Certificates) -> Peer:
    Authority.load(ours.ca.parent).write(path, "other", SERVER_NAME, days=(-9, -1))
    return served_by(path, ours)


def not_yet(path: Path, ours: Certificates) -> Peer:
    Authority.load(ours.ca.parent).write(path, "other", SERVER_NAME, days=(1, 9))
    return served_by(path, ours)


def other_name(path: Path, ours: Certificates) -> Peer:
    Authority.load(ours.ca.parent).write(path, "other", "evil.example", days=(-1, 9))
    return served_by(path, ours)


def other_ca(path: Path, ours: Certificates) -> Peer:
    Authority.create().write(path, "other", SERVER_NAME, days=(-1, 9))
    return served_by(path, ours)


def served_by(path: Path, ours: Certificates) -> Peer:
    pair = replace(ours, server=path / "other.pem", server_key=path / "other.key")
    return over_tls(context(pair), silent)


def refuses_our_certificate(path: Path, ours: Certificates) -> Peer:
    foreign = make(path / "foreign", TERMINAL)
    return by_hand(context(replace(ours, ca=foreign.ca)))


BAD: dict[str, tuple[str, Callable[[Path, Certificates], Peer]]] = {
    "hangs up in the handshake": ("NET-108", lambda _, __: refuse),
    "takes the connection and says nothing": ("NET-102", lambda _, __: mute),
    "speaks HTTP": ("NET-108", lambda _, __: http),
    "TLS 1.2 only": ("NET-103", lambda _, c: by_hand(context(c, newest=False))),
    "expired certificate": ("NET-104", expired),
    "certificate of tomorrow": ("NET-105", not_yet),
    "certificate of another name": ("NET-106", other_name),
    "certificate of another CA": ("NET-107", other_ca),
    "refuses our certificate": ("NET-109", refuses_our_certificate),
    "never answers": ("NET-121", lambda _, c: over_tls(context(c), silent)),
    "one byte a minute": ("NET-122", lambda _, c: over_tls(context(c), one_byte_then_nothing)),
    "answers nonsense": (
        "NET-123",
        lambda _, c: over_tls(context(c), says(b"\x00\x00\x00\x05hello")),
    ),
    "announces 4 GB": ("NET-124", lambda _, c: over_tls(context(c), says(b"\xff\xff\xff\xff"))),
    "closes the line": ("NET-125", lambda _, c: closes(context(c))),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_peer_has_its_own_code_and_the_line_comes_back(
    name: str, tmp_path: Path
) -> None:
    code, build = BAD[name]
    certificates = folder(tmp_path / "tls")
    async with running(certificates, build(tmp_path, certificates)) as (made, street):
        assert await code_of(made) == code
        street.peer = good(certificates)  # the cause ends: nobody touches the terminal
        while not made.online:
            await made.changed()
        assert made.state.code == ""


def test_every_bad_peer_has_another_code_than_the_next() -> None:
    codes = [code for code, _ in BAD.values()]
    assert len(set(codes)) >= len(codes) - 1  # two ways of not speaking TLS share theirs


async def test_nobody_at_the_address(tmp_path: Path) -> None:
    made = uplink(folder(tmp_path), 1)
    async with anyio.create_task_group() as group:
        group.start_soon(made.run)
        assert await code_of(made) == "NET-101"
        group.cancel_scope.cancel()


async def test_a_half_open_line_is_found_by_the_heartbeat(tmp_path: Path) -> None:
    certificates = folder(tmp_path)
    deaf = anyio.Event()

    async def peer(stream: SocketStream) -> None:
        tls = await TLSStream.wrap(
            stream, server_side=True, ssl_context=context(certificates), standard_compatible=False
        )
        acquirer = Acquirer(BASE_KEY)
        while not deaf.is_set():
            data = await tls.receive()
            for answer in acquirer.answers(data[4:]):
                await tls.send(len(answer).to_bytes(4, "big") + answer)
        await silent(tls)  # connected for ever, and nothing comes

    async with running(certificates, peer) as (made, _):
        while not made.online:
            await made.changed()
        deaf.set()
        assert await code_of(made) == "NET-121"


async def test_a_dead_address_does_not_block_the_next(tmp_path: Path) -> None:
    certificates = folder(tmp_path)
    dead = await anyio.create_tcp_listener(local_host="127.0.0.1")  # nobody accepts
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    ports = [each.extra(SocketAttribute.local_port) for each in (dead, listener)]
    addresses = tuple(f"127.0.0.1:{port}" for port in (1, *ports))
    made = uplink(certificates, 0, addresses=addresses)
    street = Street(good(certificates))
    async with dead, listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, street.take)
        group.start_soon(made.run)
        with anyio.fail_after(5):
            while not made.online:
                await made.changed()
        group.cancel_scope.cancel()


async def test_the_address_that_answered_last_is_tried_first(tmp_path: Path) -> None:
    """A dead one costs its time limit once, not at every connection."""
    certificates = folder(tmp_path)
    met: list[str] = []

    def noted(name: str, peer: Peer) -> Peer:
        async def take(stream: SocketStream) -> None:
            met.append(name)
            await peer(stream)

        return take

    streets = [Street(noted("dead", mute)), Street(noted("good", good(certificates)))]
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        for street in streets:
            listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
            await stack.enter_async_context(listener)
            street.port = listener.extra(SocketAttribute.local_port)
            group.start_soon(listener.serve, street.take)
        settings = UplinkSettings(
            addresses=tuple(f"127.0.0.1:{street.port}" for street in streets),
            server_name=SERVER_NAME,
            terminal=TERMINAL,
            merchant=MERCHANT,
            connect_timeout_s=0.2,
        )
        dial = dialler(
            ca=certificates.ca,
            certificate=certificates.device,
            key=certificates.device_key,
            settings=settings,
        )
        for _ in range(3):
            stream = await dial()
            assert stream.extra(SocketAttribute.remote_port) == streets[1].port
            await anyio.aclose_forcefully(stream)
        group.cancel_scope.cancel()
    assert met == ["dead", "good", "good", "good"]


@pytest.mark.parametrize(
    ("ahead", "code"), [(timedelta(days=40), ""), (timedelta(days=100), "NET-104")]
)
async def test_a_clock_behind_the_known_time_is_not_believed(
    ahead: timedelta, code: str, tmp_path: Path
) -> None:
    """The certificate is judged at the floor: valid then, or expired whatever the clock says."""
    certificates = folder(tmp_path)
    street = Street(good(certificates))
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    settings = UplinkSettings(
        addresses=(f"127.0.0.1:{port}",),
        server_name=SERVER_NAME,
        terminal=TERMINAL,
        merchant=MERCHANT,
    )

    async def told() -> datetime:
        return datetime.now(UTC) + ahead

    dial = dialler(
        ca=certificates.ca,
        certificate=certificates.device,
        key=certificates.device_key,
        settings=settings,
        floor=told,
    )
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, street.take)
        found = ""
        try:
            await anyio.aclose_forcefully(await dial())
        except LinkError as error:
            found = error.stable_code
        group.cancel_scope.cancel()
    assert found == code


def test_the_known_time_is_the_latest_of_certificate_and_answers(tmp_path: Path) -> None:
    pem = folder(tmp_path).device.read_bytes()
    assert floor(pem, ()) == valid_from(pem)
    assert floor(pem, ("20010101000000", "nonsense")) == valid_from(pem)
    assert floor(pem, ("29990101000000",)).year == 2998


class Kept:
    """Records in memory."""

    def __init__(self) -> None:
        self.rows: list[Record] = []

    async def append(self, *records: Record) -> None:
        self.rows += records

    async def read(self, topic: Topic, after: int = 0) -> list[Record]:
        return [each for each in self.rows if each.topic is topic]


async def test_a_certificate_near_its_end_is_warned_of_and_renewed_over_the_uplink(
    tmp_path: Path,
) -> None:
    certificates = folder(tmp_path, device_days=(-60, 20))
    acquirer = Acquirer(BASE_KEY)
    async with anyio.create_task_group() as group:
        port = await group.start(acquirer.serve, certificates, 0)
        made, kept = uplink(certificates, port), Kept()
        group.start_soon(made.run)
        while not made.online:
            await made.changed()
        care = CertificateCare(
            acquirer=made,
            records=kept,
            clock=SystemClock(),
            terminal=TERMINAL,
            ca=certificates.ca,
            certificate=certificates.device,
            key=certificates.device_key,
        )
        assert await care.days() == 19
        group.start_soon(care.run)
        with anyio.fail_after(5):
            while len(kept.rows) < 2:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert [(each.name, each.body["days"]) for each in kept.rows] == [
        ("certificate_expires", 19),
        ("certificate_renewed", 89),
    ]
    assert days_left(certificates.device.read_bytes(), datetime.now(UTC)) == 89


def test_a_new_certificate_of_another_ca_key_name_or_time_is_refused(tmp_path: Path) -> None:
    ours = folder(tmp_path / "ours", device_days=(-60, 20))
    authority, key = Authority.load(ours.ca.parent), ours.device_key.read_bytes()
    asked = request(key, TERMINAL)
    other = folder(tmp_path / "other")

    def judge(made: bytes) -> bytes:
        return accepted(
            made,
            key=key,
            ca=ours.ca.read_bytes(),
            current=ours.device.read_bytes(),
            now=datetime.now(UTC),
        )

    assert judge(authority.answer(asked, TERMINAL)).startswith(b"-----BEGIN CERTIFICATE")
    bad = {
        "nonsense": b"\x30\x00",
        "other CA": Authority.create().answer(asked, TERMINAL),
        "other key": authority.answer(request(other.device_key.read_bytes(), TERMINAL), TERMINAL),
        "other name": authority.answer(request(key, "87654321"), "87654321"),
    }
    for data in bad.values():
        with pytest.raises(AuthenticityError):
            judge(data)
