"""A Modbus TCP server whose units take what is written in their own ways: stubborn_modbus.py PORT

Each has 100 holding registers, 0 at first.

    unit 1  as it should be
    unit 2  says that it takes it, and does not
    unit 3  takes it, and never says so
    unit 4  refuses (exception 0x04)
    unit 5  takes it, and shows it 300 ms later
    unit 6  takes it as the function for several registers alone (exception 0x01 to the other)
    unit 7  says nothing to what is written, and does not take it
"""

import socket
import struct
import sys
import threading
import time

from streams import read_exactly

held = {unit: [0] * 100 for unit in range(1, 8)}


def take(unit, address, words):
    held[unit][address:address + len(words)] = words


def write(unit, function, body):
    """The answer, or none."""
    address, second = struct.unpack(">HH", body[1:5])
    words = [second] if function == 6 else list(struct.unpack(f">{second}H", body[6:6 + 2 * second]))
    if unit == 4 or unit == 6 and function == 6:
        return bytes([function | 0x80, 4 if unit == 4 else 1])
    if unit == 5:
        threading.Timer(0.3, take, (unit, address, words)).start()
    elif unit not in (2, 7):
        take(unit, address, words)
    return None if unit in (3, 7) else body[:5]


def serve(client):
    try:
        while True:
            head = read_exactly(client, 7)
            unit = head[6]
            body = read_exactly(client, struct.unpack(">H", head[4:6])[0] - 1)
            if body[0] == 3:
                address, count = struct.unpack(">HH", body[1:5])
                answer = bytes([3, 2 * count]) + struct.pack(f">{count}H", *held[unit][address:address + count])
            else:
                answer = write(unit, body[0], body)
            if answer:
                client.sendall(head[:4] + struct.pack(">H", len(answer) + 1) + bytes([unit]) + answer)
    except (EOFError, OSError):
        client.close()


listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(client,), daemon=True).start()
