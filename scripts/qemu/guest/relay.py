"""In a guest under test: port 7000 reaches the control socket, 7001 runs a line of shell."""

import asyncio

CONTROL = "/var/lib/posfw/control.sock"


async def pump(reader, writer):
    """Carry bytes until one side ends."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def control(reader, writer):
    """Join a connection to the control socket."""
    try:
        other_reader, other_writer = await asyncio.open_unix_connection(CONTROL)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))


async def shell(reader, writer):
    """Run one line as root; the last line of the answer is its exit code."""
    line = (await reader.readline()).decode()
    child = await asyncio.create_subprocess_shell(
        line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await child.communicate()
    writer.write(out + b"\n%d\n" % child.returncode)
    await writer.drain()
    writer.close()


async def main():
    """Serve both ports; only QEMU's own network reaches them."""
    await asyncio.start_server(shell, "10.0.2.15", 7001)
    server = await asyncio.start_server(control, "10.0.2.15", 7000)
    print(">> relay up", flush=True)
    await server.serve_forever()


asyncio.run(main())
