"""A milter (mail filter, Sendmail's protocol version 6) that refuses what it is told to.

    with Milter(port, rcpt={"spam@ok.test": "550 5.7.1 no"}, end={"bad@sender.test": "451 4.7.1 later"}):

rcpt: by recipient, mail and end (of message): by sender.
"""

import socket
import struct
import threading


class Milter:
    def __init__(self, port: int, *, mail=None, rcpt=None, end=None):
        self._answers = {b"M": mail or {}, b"R": rcpt or {}, b"E": end or {}}
        self._socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection.makefile("rwb"),), daemon=True).start()

    def _converse(self, stream):
        sender = ""
        while len(head := stream.read(4)) == 4:
            packet = stream.read(struct.unpack(">I", head)[0])
            command, data = packet[:1], packet[1:]
            address = data.split(b"\0")[0].decode("utf-8", "replace").strip("<>")
            if command == b"M":
                sender = address
            if command == b"Q":
                return
            if command in b"DA":  # macros and abort get no answer
                continue
            if command == b"O":
                self._say(stream, b"O" + struct.pack(">III", 6, 0, 0))
                continue
            reply = self._answers.get(command, {}).get(address if command == b"R" else sender)
            self._say(stream, b"y" + reply.encode() + b"\0" if reply else b"c")

    @staticmethod
    def _say(stream, packet: bytes):
        stream.write(struct.pack(">I", len(packet)) + packet)
        stream.flush()
