"""A TCP proxy that breaks what passes through it: it delays, cuts in the middle, drops, half-closes.

What happens to a connection is asked of `fault(head)`, once its first bytes have come; it gives a Fault or None. The
bytes that pass are those of the peers, never changed.
"""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Fault:
    after: int = 0  # bytes from the client that pass before it happens
    how: str = "cut"  # cut: both ways, with a reset; drop: swallow silently; half_close: no more to the server
    answer_after: int | None = None  # count the bytes of the server's answer instead


class FaultProxy:
    def __init__(self, target: tuple[str, int], fault: Callable[[bytes], Fault | None] = lambda head: None,
                 pieces: int = 65536):
        """`pieces`: how many bytes are passed on at a time."""
        self.target, self.fault, self.pieces = target, fault, pieces
        self.faults = 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client: socket.socket):
        try:
            fault = self.fault(client.recv(16, socket.MSG_PEEK))
            server = socket.create_connection(self.target)
        except OSError:
            client.close()
            return
        of_answer = fault is not None and fault.answer_after is not None
        back = threading.Thread(target=self.pump, args=(server, client, fault if of_answer else None), daemon=True)
        back.start()
        self.pump(client, server, None if of_answer else fault)
        back.join()
        client.close()
        server.close()

    def pump(self, source, sink, fault):
        left = None if fault is None else fault.after if fault.answer_after is None else fault.answer_after
        try:
            while data := source.recv(self.pieces):
                if left is not None and len(data) > left:
                    sink.sendall(data[:left])
                    self.strike(fault, source, sink)
                    return
                left = None if left is None else left - len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                self.shut(end, socket.SHUT_RDWR)

    def strike(self, fault, source, sink):
        self.faults += 1
        if fault.how == "cut":
            for end in (source, sink):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.shut(end, socket.SHUT_RDWR)
        elif fault.how == "half_close":
            self.shut(sink, socket.SHUT_WR)
        while fault.how != "cut" and source.recv(self.pieces):
            pass

    @staticmethod
    def shut(end, how):
        try:
            end.shutdown(how)
        except OSError:
            pass
