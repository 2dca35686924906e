"""Records tests/data/exim/live/NAME: a real Exim's log, and what the server that it delivered to answered.

    python3 tests/e2e/record_exim.py ROOT NAME [--log-selector '+all'] [--timezone] [--syslog]

    default      Exim 4.96    as it comes
    busy         Exim 4.96    --log-selector '+millisec +pid +queue_time +deliver_time +incoming_interface +outgoing_interface +sender_on_delivery'
    everything   Exim 4.98.2  --log-selector +all --timezone
    syslog       Exim 4.98.2  --syslog, without stamps of its own

ROOT: see exim_instance.py; made from this machine's release when it is not there. Run by hand, as root, when there is a new Exim to record;
takes half a minute. test_exim_recorded.py compares the two files. Every name in them is of the domain .test, every address is of loopback.
"""

import argparse
import pathlib
import re
import smtplib
import time

import live_traffic
from exim_instance import EximInstance, make_root
from live_record import write_record
from live_traffic import SENDER
from postfix_instance import free_port
from smtp_server import Reply, Site, SmtpServer

OUT = pathlib.Path(__file__).resolve().parents[1] / "data/exim/live"
ALIASES = {
    "team": "m1@ok.test, m2@ok.test, known3@local.test",
    "piped": "|/bin/true",
    "broken": "\"|/bin/sh -c 'exit 67'\"",
    "away": "\"|/bin/sh -c 'echo back-end is away; exit 75'\"",
    "filed": "/dev/null",
    "kept": "/var/mail/kept",
    "hole": ":blackhole:",
    "gone": ":fail: no longer works here",
    "resting": ":defer: rests today",
    "nested": "inner@local.test",
    "inner": "x@ok.test, |/bin/true",
    "waiting": "wait0@users.test",
}


class _Sending(live_traffic.Sending):
    """Bodies have short lines: Exim bounces what has lines over 998 bytes."""

    def message(self, *recipients: str, sender=SENDER, subject="news", client=None):
        body = "\r\n".join(["x" * 70] * self.random.randrange(1, 40))
        text = f"From: <{sender}>\r\nSubject: {subject}\r\nMessage-ID: <{self.count}.{self.random.random()}@sender.test>\r\n\r\n{body}\r\n"
        options = [] if all(address.isascii() for address in (*recipients, sender)) else ["SMTPUTF8"]
        (client or self.client).sendmail(sender, recipients, text.encode(), mail_options=options)
        self.count += 1


def _send_inside(sending: _Sending, exim: EximInstance):
    for i in range(3):
        sending.message(f"known{i}@local.test", f"nobody{i}@local.test")
    for alias in ALIASES:
        if alias != "inner":
            sending.message(f"{alias}@local.test")
    secure = exim.client()
    secure.starttls()
    secure.login("us", "secret")
    sending.message("one@loop.test", client=secure)
    secure.quit()


def _be_rejected(exim: EximInstance, sending: _Sending):
    def refused(client, sender, recipient=None):
        client.ehlo_or_helo_if_needed()
        code, _ = client.mail(sender)
        if recipient:
            code, _ = client.rcpt(recipient)
        assert code >= 400, f"{sender}, {recipient}: not refused"
        client.rset()

    outsider = exim.client(source="127.0.0.9", helo="outsider.test")
    for i in range(3):
        refused(outsider, "spam@elsewhere.test", f"victim{i}@ok.test")
        refused(outsider, "", f"victim{i}@ok.test")
    outsider.quit()
    refused(sending.client, SENDER, "one@closed.test")
    refused(sending.client, SENDER, "one@later.test")
    refused(sending.client, "x@banned.test")
    try:
        exim.client(source="127.0.0.66").close()
    except smtplib.SMTPException:
        pass
    liar = exim.client(helo="liar.test")
    liar.ehlo()
    liar.close()
    for i in range(2):
        try:
            sending.message(f"subject{i}@ok.test", subject="forbidden fruit")
        except smtplib.SMTPDataError:
            pass


def _be_removed(exim: EximInstance, sending: _Sending):
    """Two messages are deferred; an administrator removes one and gives up the other. A third is only pretended to be delivered."""
    for argument in ("-Mrm", "-Mg"):
        sending.message("one@held.test", sender=f"{argument[1:].lower()}@sender.test")
        found, deadline = [], time.monotonic() + 10
        while not found and time.monotonic() < deadline:
            time.sleep(0.2)
            ids = re.findall(r"(\w{6}-\w{6,11}-\w{2,4}) == one@held\.test", exim.read_log())
            found = [id for id in ids if not re.search(f"{id} (removed|cancelled)", exim.read_log())]
        exim.command(argument, found[0])
    exim.command("-N", "-i", "never@ok.test", stdin="Subject: not sent\n\nno\n")


def _run(root: pathlib.Path, server: SmtpServer, sites: list[Site], **settings) -> bytes:
    routes = {site.domain: f"mx.{site.domain}::{site.port}" for site in server.sites.values()}
    hosts = {f"mx.{site.domain}": site.address for site in server.sites.values()} | {"mx.refused.test": "127.0.0.3"}
    with EximInstance(root, routes | {"refused.test": f"mx.refused.test::{free_port()}"}, hosts, ALIASES, **settings) as exim:
        sending = _Sending(exim, seed=1)
        _send_inside(sending, exim)
        live_traffic.send_to_server(sending, sites, scale=1)
        sending.message('"a b R=x T=y"@ok.test', sender='"quoted sender"@sender.test')
        sending.message("one@cut.test")
        _be_removed(exim, sending)
        _be_rejected(exim, sending)
        sending.client.quit()
        exim.wait_until_done(120)
        time.sleep(0.5)
        return exim.log.read_bytes()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("root", type=pathlib.Path)
    arguments.add_argument("name")
    arguments.add_argument("--log-selector", default="")
    arguments.add_argument("--timezone", action="store_true")
    arguments.add_argument("--syslog", action="store_true")
    options = arguments.parse_args()
    root = options.root if options.root.exists() else make_root(options.root)
    server, sites = SmtpServer(), live_traffic.sites()
    for site in [*sites, Site("held.test", rcpt={"one": [Reply("450 4.2.1 held")]}), Site("cut.test")]:
        server.add_site(site)
    server.start()
    try:
        log = _run(root.resolve(), server, sites, log_selector=options.log_selector, has_timezone=options.timezone, by_syslog=options.syslog)
    finally:
        server.stop()
    if server.failure:
        raise server.failure
    write_record(OUT / options.name, log, server.answers)
    print(f"{options.name}: {len(log.splitlines())} lines, {len(server.answers)} answers")


if __name__ == "__main__":
    main()
