"""A TCP proxy on loopback that makes a network fail."""

import socket
import threading
import time


class Proxy:
    """Passes bytes on between its port and another; or does not, as it is told."""

    def __init__(self, target, port=0):
        self.target = target
        self.delay = 0.0            # seconds that each piece is late
        self.rate = None            # bytes a second each way; None: as they come
        self.is_refusing = False    # nobody gets in
        self.is_frozen = False      # connections stay and nothing passes: half-open
        self.drops_replies = False  # what the target says is lost
        self.drops_requests = False # what the target is told is lost
        self.closes = False         # a connection ends with the first reply
        self.passed = 0             # bytes from the target
        self.connections = set()
        self.lock = threading.Lock()
        self.listener = None
        self.port = port
        self.listen()

    def listen(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket()
            try:
                server.connect(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.add((client, server))
            for source, sink, is_reply in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.pump, args=(source, sink, is_reply), daemon=True).start()

    def passes(self, client, data, is_reply):
        """Called with each piece before it is passed on."""

    def pump(self, source, sink, is_reply):
        try:
            while True:
                data = source.recv(4096)
                if not data:
                    break
                while self.is_frozen:
                    time.sleep(0.01)
                if self.delay:
                    time.sleep(self.delay)
                if self.rate:
                    time.sleep(len(data) / self.rate)
                if self.drops_replies if is_reply else self.drops_requests:
                    continue
                if is_reply:
                    self.passed += len(data)
                self.passes(sink if is_reply else source, data, is_reply)
                sink.sendall(data)
                if is_reply and self.closes:
                    break
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    # What can be told to it.

    def cut(self):
        """Ends every connection."""
        with self.lock:
            connections, self.connections = self.connections, set()
        for pair in connections:
            for one in pair:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def refuse(self):
        """Ends every connection and takes no new ones."""
        self.is_refusing = True
        if self.listener:
            # A thread that waits in accept keeps the port unless it is told.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.cut()

    def mend(self):
        self.delay, self.rate, self.is_frozen, self.drops_replies, self.drops_requests = 0.0, None, False, False, False
        if self.is_refusing:
            self.is_refusing = False
            self.listen()

    def close(self):
        self.mend()
        self.refuse()
