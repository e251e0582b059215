"""A transparent proxy for TCP: each piece of a stream comes later by a random time, in order. Run inside a namespace.

usage: delay_proxy.py PORT LOWEST_MS HIGHEST_MS MARK SEED
"""

import asyncio
import random
import socket
import struct
import sys

ORIGINAL_DESTINATION = 80  # SO_ORIGINAL_DST of netfilter
PIECE = 65536


def destination_of(writer):
    """Where the connection wanted to go before it was redirected here."""
    address = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, ORIGINAL_DESTINATION, 16)
    port, host = struct.unpack_from("!2xH4s", address)
    return socket.inet_ntoa(host), port


async def relay(reader, writer, delay):
    """In order: a piece never overtakes the one before, as in a network with jitter."""
    pieces = asyncio.Queue()

    async def deliver():
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while True:
            piece = await reader.read(PIECE)
            await pieces.put((asyncio.get_running_loop().time() + delay(), piece))
            if not piece:
                break
        await delivery
    except OSError:
        delivery.cancel()
        writer.close()


async def main(port, lowest, highest, mark, seed):
    chance = random.Random(seed)
    served = 0

    async def serve(reader, writer):
        nonlocal served
        other = socket.socket()
        other.setblocking(False)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        try:
            await asyncio.get_running_loop().sock_connect(other, destination_of(writer))
        except OSError:
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection(sock=other)
        served += 1
        print(served, flush=True)  # the test knows from it that connections went this way

        def delay():
            return chance.uniform(lowest, highest) / 1000

        await asyncio.gather(relay(reader, there_writer, delay), relay(there_reader, writer, delay))

    server = await asyncio.start_server(serve, "0.0.0.0", port)
    print(0, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
