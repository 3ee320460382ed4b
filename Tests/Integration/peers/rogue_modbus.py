"""A Modbus TCP server with the vices that devices and converters have, a unit each; it holds the number 7 everywhere.

    rogue_modbus.py PORT [VICE]

    unit 1  has none
    unit 2  drips its answer, a byte every 150 ms
    unit 3  is not there, says the gateway (exception 0x0B), after 150 ms
    unit 4  never answers for registers below 50
    unit 5  has no register 37 (exception 0x02)
    unit 7  has no register at all for its first two seconds (exception 0x02)
    unit 6  answers with at most 20 registers (exception 0x03)

VICE "half-open": on the first connection nothing is ever answered, as after a firewall has forgotten it; new ones work.
"""

import socket
import struct
import sys
import threading
import time

from streams import read_exactly

STARTED = time.monotonic()
HALF_OPEN = "half-open" in sys.argv[2:]


def serve(client, is_first):
    try:
        while True:
            head = read_exactly(client, 7)
            unit = head[6]
            body = read_exactly(client, struct.unpack(">H", head[4:6])[0] - 1)
            address, count = struct.unpack(">HH", body[1:5])
            if HALF_OPEN and is_first:
                continue
            if unit == 3:
                time.sleep(0.15)
                answer = bytes([body[0] | 0x80, 0x0B])
            elif unit == 4 and address < 50:
                continue
            elif unit == 5 and address <= 37 < address + count:
                answer = bytes([body[0] | 0x80, 2])
            elif unit == 7 and time.monotonic() < STARTED + 2:
                answer = bytes([body[0] | 0x80, 2])
            elif unit == 6 and count > 20:
                answer = bytes([body[0] | 0x80, 3])
            else:
                answer = bytes([body[0], 2 * count]) + struct.pack(">H", 7) * count
            frame = head[:4] + struct.pack(">H", len(answer) + 1) + bytes([unit]) + answer
            if unit != 2:
                client.sendall(frame)
                continue
            for byte in frame:
                client.sendall(bytes([byte]))
                time.sleep(0.15)
    except (EOFError, OSError):
        client.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
# The test looks once whether anybody listens; that is not the first connection of the gateway.
number = -1
while True:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(client, number == 0), daemon=True).start()
    number += 1
