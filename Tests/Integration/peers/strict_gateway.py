"""A gateway of Modbus TCP: UNITS have holding registers (JSON, by unit and address); of others it gives an exception.

    strict_gateway.py PORT CODE UNITS

CODE is the exception; or `silent`, `closes` or `garbled` for one that does not give any.
"""

import json
import socket
import struct
import sys
import threading

PORT, CODE = int(sys.argv[1]), sys.argv[2]
UNITS = {int(unit): {int(address) + offset: word for address, words in blocks.items() for offset, word in enumerate(words)}
         for unit, blocks in json.loads(sys.argv[3]).items()}


def answer(unit, body):
    function, address, count = struct.unpack(">BHH", body[:5])
    if unit not in UNITS:
        return bytes([function | 0x80, int(CODE)])
    registers = UNITS[unit]
    if function != 3 or any(place not in registers for place in range(address, address + count)):
        return bytes([function | 0x80, 2])
    return bytes([3, 2 * count]) + b"".join(struct.pack(">H", registers[place]) for place in range(address, address + count))


def serve(connection):
    try:
        while len(head := connection.recv(7, socket.MSG_WAITALL)) == 7:
            transaction, _, length, unit = struct.unpack(">HHHB", head)
            body = connection.recv(length - 1, socket.MSG_WAITALL)
            if CODE == "silent":
                continue
            if CODE == "closes":
                return connection.close()
            if CODE == "garbled":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                continue
            pdu = answer(unit, body)
            connection.sendall(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)
    except OSError:
        pass


with socket.create_server(("127.0.0.1", PORT)) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
