"""A Modbus server with one vice that devices in the field have: field_modbus.py PORT VICE

Register n of every unit holds 100 + n until it is written; each write is printed. Frames are those of TCP, or with a VICE that begins with "rtu" those of a line.

    closes            closes the connection after each answer
    deaf              closes a new connection without an answer
    swallows          closes the connection at a write, which it does not do
    as=N              answers under unit N
    length=N          says so as the length of its answer
    rtu-before        a byte of noise before each answer
    rtu-behind        a byte of noise behind each answer
    rtu-echo          the request comes back before its answer
    rtu-other         an answer of unit 9 to the same request comes before its own
    refuses           exception 2 to every request
    gateway           every other request is exception 0x0B
"""

import socket
import struct
import sys
import threading

from rogue_line import crc
from streams import read_exactly

PORT, VICE = int(sys.argv[1]), sys.argv[2]
answered = 0
written = {}


def body(function, request):
    address, count = struct.unpack(">HH", request[:4])
    if VICE == "refuses":
        return bytes([function | 0x80, 2])
    if VICE == "gateway" and answered % 2 == 0:
        return bytes([function | 0x80, 0x0B])
    if function in (5, 6):
        print("write", address, count, flush=True)
        if VICE == "swallows":
            raise EOFError
        written[address] = count
        return bytes([function]) + request[:4]
    held = (written.get(address + n, 100 + address + n) for n in range(count))
    return bytes([function, 2 * count]) + struct.pack(f">{count}H", *held)


def serve(client):
    global answered
    try:
        if VICE == "deaf":
            read_exactly(client, 8)
            return client.close()
        while True:
            if VICE.startswith("rtu"):
                request = read_exactly(client, 8)
                answer = request[:1] + body(request[1], request[2:6])
                answer += crc(answer)
                if VICE == "rtu-before":
                    answer = b"\x55" + answer
                elif VICE == "rtu-behind":
                    answer += b"\x55"
                elif VICE == "rtu-echo":
                    answer = request + answer
                elif VICE == "rtu-other":
                    other = bytes([9]) + body(request[1], bytes([0, 50]) + request[4:6])
                    answer = other + crc(other) + answer
            else:
                head = read_exactly(client, 7)
                request = read_exactly(client, struct.unpack(">H", head[4:6])[0] - 1)
                data = body(request[0], request[1:])
                unit = int(VICE[3:]) if VICE.startswith("as=") else head[6]
                length = int(VICE[7:]) if VICE.startswith("length=") else len(data) + 1
                answer = head[:4] + struct.pack(">H", length) + bytes([unit]) + data
            client.sendall(answer)
            answered += 1
            if VICE == "closes":
                return client.close()
    except (EOFError, OSError):
        client.close()


listener = socket.create_server(("127.0.0.1", PORT))
while True:
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(client,), daemon=True).start()
