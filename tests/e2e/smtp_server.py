"""An SMTP and LMTP server whose answers are scripted, and which keeps a record of every answer.

Its record is the truth that a mail server's log, and so bouncemill, must agree with: one Answer for each recipient of each
attempt that reached the server. A site is one domain with a port of its own, so that a mail server never mixes the recipients of
two sites in one transaction.

    server = SmtpServer()
    server.add_site(Site("full.test", rcpt={"bob": [Reply("452 4.2.2 Mailbox full"), ACCEPT]}))   # refused once, then taken
    server.start() ... server.stop()
    server.answers    # what was said, in order

Loopback only; one thread with one event loop; stop() ends every conversation.
"""

import asyncio
import dataclasses
import re
import socket
import threading
import time


def wait_for_greeting(port: int, failure):
    """Until the mail server that was started on this port greets; after 30 seconds a RuntimeError with what `failure()` says."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
                if sock.recv(3) == b"220":
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(failure())


@dataclasses.dataclass(frozen=True)
class Reply:
    """What is said to a command. Lines are separated by newlines; the code stands before the first only, and is repeated."""

    text: str | bytes
    after_s: float = 0.0

    @property
    def code(self) -> int:
        return int(self.raw[:3])

    @property
    def raw(self) -> bytes:
        return self.text if isinstance(self.text, bytes) else self.text.encode("utf-8")

    def lines(self) -> list[bytes]:
        code, rest = self.raw[:3], self.raw[4:].split(b"\n")
        return [code + (b"-" if i + 1 < len(rest) else b" ") + line for i, line in enumerate(rest)]

    def as_logged(self) -> str:
        """As Postfix writes it on one line: lines joined by blanks, a question mark for each byte that is no UTF-8."""
        text = b" ".join(self.lines()).decode("utf-8", "surrogateescape")
        return "".join("?" if "\udc80" <= letter <= "\udcff" else letter for letter in text)


@dataclasses.dataclass(frozen=True)
class Drop:
    """The connection is closed in place of an answer."""


@dataclasses.dataclass(frozen=True)
class Silence:
    """No answer until the client loses patience."""


DROP, SILENCE = Drop(), Silence()
ACCEPT = Reply("250 2.1.5 Ok")
TAKEN = Reply("250 2.0.0 Ok: queued as 4F0C11")
Behaviour = Reply | Drop | Silence


@dataclasses.dataclass
class Site:
    """What one domain answers at each stage; a list is used up attempt by attempt, its last item stays.

    connect, ehlo: when the conversation ends here the server never hears of a recipient, so such a site must have a
    sole_recipient and a sole_sender. mail, data, end: for the transaction; in LMTP end is asked for each recipient. rcpt: by
    local part; a local part that is missing is accepted.

    unheard: who is meant by a MAIL that is refused, where the client does not send RCPT behind it. has_helo: whether the client
    tries HELO when EHLO is refused for now.
    """

    domain: str
    connect: list[Behaviour] = dataclasses.field(default_factory=lambda: [Reply("220 mx ESMTP")])
    ehlo: list[Behaviour] = dataclasses.field(default_factory=list)
    mail: list[Behaviour] = dataclasses.field(default_factory=lambda: [Reply("250 2.1.0 Ok")])
    rcpt: dict[str, list[Behaviour]] = dataclasses.field(default_factory=dict)
    data: list[Behaviour] = dataclasses.field(default_factory=lambda: [Reply("354 go ahead")])
    end: list[Behaviour] = dataclasses.field(default_factory=lambda: [TAKEN])
    end_by_recipient: dict[str, list[Behaviour]] = dataclasses.field(default_factory=dict)
    sole_recipient: str | None = None
    sole_sender: str | None = None
    unheard: list[str] = dataclasses.field(default_factory=list)
    has_helo: bool = True
    is_lmtp: bool = False
    address: str = "127.0.0.2"
    port: int = 0
    _used: dict = dataclasses.field(default_factory=dict)

    def next(self, stage, answers: list[Behaviour]) -> Behaviour:
        used = self._used.get(stage, 0)
        self._used[stage] = used + 1
        return answers[min(used, len(answers) - 1)]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What one recipient of one attempt was told. behaviour is never the 250 of a RCPT: that decides nothing yet."""

    time: float
    sender: str | None
    recipient: str
    size: int | None
    stage: str
    behaviour: Behaviour
    site: str

    @property
    def status(self) -> str:
        if not isinstance(self.behaviour, Reply) or self.behaviour.code // 100 == 4:
            return "deferred"
        return "delivered" if self.behaviour.code // 100 == 2 else "bounced"


class _Closed(Exception):
    pass


class _Session:
    """One conversation."""

    def __init__(self, server, site, reader, writer):
        self.server, self.site, self.reader, self.writer = server, site, reader, writer
        self._forget()

    def _forget(self):
        self.sender, self.size, self.mail_answer = None, None, None
        self.accepted, self.is_open = [], False

    async def _say(self, behaviour):
        if isinstance(behaviour, Silence):
            await self.reader.read()  # until the client goes
            raise _Closed
        if isinstance(behaviour, Drop):
            raise _Closed
        if behaviour.after_s:
            await asyncio.sleep(behaviour.after_s)
        self.writer.write(b"".join(line + b"\r\n" for line in behaviour.lines()))
        await self.writer.drain()
        if behaviour.code == 421:
            raise _Closed

    def _record(self, recipients, stage, behaviour):
        now = time.time()
        for recipient in recipients:
            self.server.answers.append(Answer(now, self.sender, recipient, self.size, stage, behaviour, self.site.domain))

    def _record_sole(self, stage, behaviour):
        if self.site.sole_recipient is None:
            raise AssertionError(f"{self.site.domain} fails at {stage} and needs a sole_recipient")
        self.sender = self.site.sole_sender
        self._record([self.site.sole_recipient], stage, behaviour)

    async def _pipelined_recipients(self):
        """Recipients that the client has sent, or is about to send, behind a command that gets no answer."""
        found = []
        try:
            while True:
                line = await asyncio.wait_for(self.reader.readline(), 0.3)
                if match := re.match(rb"RCPT TO:<(.*)>", line, re.I):
                    found.append(match[1].decode())
                elif not line or line.upper().startswith(b"DATA"):
                    return found
        except asyncio.TimeoutError:
            return found

    async def talk(self):
        banner = self.site.next("connect", self.site.connect)
        if not isinstance(banner, Reply) or banner.code != 220:
            self._record_sole("connect", banner)
            await self._say(banner)
            return
        await self._say(banner)
        while line := await self.reader.readline():
            verb = line.split(b" ")[0].strip().upper()
            if verb in (b"EHLO", b"HELO", b"LHLO"):
                await self._hello(verb)
            elif verb == b"MAIL":
                await self._mail(line)
            elif verb == b"RCPT":
                await self._rcpt(line)
            elif verb == b"DATA":
                await self._data()
            elif verb == b"RSET":
                self._forget()
                await self._say(Reply("250 2.0.0 Ok"))
            elif verb == b"QUIT":
                await self._say(Reply("221 2.0.0 Bye"))
                return
            else:
                await self._say(Reply("502 5.5.2 Command not recognized"))

    async def _hello(self, verb):
        if self.site.ehlo:
            behaviour = self.site.next("ehlo", self.site.ehlo)
            # EHLO refused is not the end: the client tries HELO, and that answer counts.
            is_final = isinstance(behaviour, Reply) and behaviour.code // 100 == 4 and not self.site.has_helo
            if verb != b"EHLO" or not isinstance(behaviour, Reply) or is_final:
                self._record_sole("ehlo", behaviour)
            await self._say(behaviour)
            return
        await self._say(Reply("250 mx\nPIPELINING\nSIZE 10485760\nENHANCEDSTATUSCODES\n8BITMIME\nSMTPUTF8"))

    async def _mail(self, line):
        self._forget()
        self.sender = re.match(rb"MAIL FROM:<(.*?)>", line, re.I)[1].decode()
        if size := re.search(rb" SIZE=(\d+)", line, re.I):
            self.size = int(size[1])
        behaviour = self.site.next("mail", self.site.mail)
        is_refused = not isinstance(behaviour, Reply) or behaviour.code != 250
        if is_refused and self.site.unheard:
            self._record(self.site.unheard, "mail", behaviour)
        elif not isinstance(behaviour, Reply) or behaviour.code == 421:
            self._record(await self._pipelined_recipients(), "mail", behaviour)
        elif behaviour.code != 250:
            self.mail_answer = behaviour
        await self._say(behaviour)
        self.is_open = True

    async def _rcpt(self, line):
        recipient = re.match(rb"RCPT TO:<(.*)>", line, re.I)[1].decode()
        if self.mail_answer:
            self._record([recipient], "mail", self.mail_answer)
            await self._say(Reply("503 5.5.1 Need MAIL first"))
            return
        local = recipient.rpartition("@")[0]
        behaviour = self.site.next(("rcpt", local), self.site.rcpt.get(local, [ACCEPT]))
        if isinstance(behaviour, Reply) and behaviour.code == 250:
            self.accepted.append(recipient)
        elif isinstance(behaviour, Reply):
            self._record([recipient], "rcpt", behaviour)
        else:
            rest = await self._pipelined_recipients() if isinstance(behaviour, Drop) else []
            self._record([*self.accepted, recipient, *rest], "rcpt", behaviour)
        await self._say(behaviour)

    async def _data(self):
        if not self.accepted:
            await self._say(Reply("554 5.5.1 No valid recipients"))
            return
        behaviour = self.site.next("data", self.site.data)
        if not isinstance(behaviour, Reply) or behaviour.code != 354:
            self._record(self.accepted, "data", behaviour)
            await self._say(behaviour)
            return
        await self._say(behaviour)
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise _Closed
        if self.site.is_lmtp:
            for recipient in self.accepted:
                await self._end([recipient], recipient.rpartition("@")[0])
        else:
            await self._end(self.accepted, None)
        self._forget()

    async def _end(self, recipients, local):
        answers = self.site.end_by_recipient.get(local, self.site.end)
        behaviour = self.site.next(("end", local), answers)
        self._record(recipients, "end", behaviour)
        await self._say(behaviour)


class SmtpServer:
    """Listens for all of its sites from start() to stop()."""

    def __init__(self):
        self.sites: dict[str, Site] = {}
        self.answers: list[Answer] = []
        self.failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []

    def add_site(self, site: Site) -> Site:
        self.sites[site.domain] = site
        return site

    def start(self):
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self):
        for site in self.sites.values():
            server = await asyncio.start_server(
                lambda reader, writer, site=site: self._converse(site, reader, writer), site.address, site.port
            )
            site.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _converse(self, site, reader, writer):
        try:
            await _Session(self, site, reader, writer).talk()
        except (_Closed, ConnectionError):
            pass
        except asyncio.CancelledError:
            raise
        except BaseException as failure:  # a mistake of the script: the test must see it
            self.failure = failure
        # Closing with unread bytes would reset the connection and could take back the last answers: half-close, then drain.
        try:
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 2)
        except (OSError, asyncio.TimeoutError, RuntimeError):
            pass
        writer.close()

    def stop(self):
        async def end():
            for server in self._servers:
                server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
