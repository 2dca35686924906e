"""Records tests/data/sendmail/live: a real Sendmail's log, and what the server that it delivered to answered.

    python3 tests/e2e/record_sendmail.py ROOT [LOG_LEVEL]       ROOT: see sendmail_instance.py

Run by hand, as root, when there is a new Sendmail to record; takes half a minute. test_recorded_live.py compares the two files.
"""

import pathlib
import smtplib
import sys

import live_traffic
from live_record import write_record
from milter import Milter
from private_host import PrivateHost, enter_namespaces
from sendmail_instance import SendmailInstance
from smtp_server import Site, SmtpServer

OUT = pathlib.Path(__file__).resolve().parents[1] / "data/sendmail/live"
MILTER_PORT = 2501

ACCESS = {
    "Connect:127.0.0.1": "RELAY",
    "Connect:127.0.0.8": "REJECT",
    "From:banned.test": "REJECT",
    "From:later.test": "ERROR:4.7.1:450 come back later",
    "From:discard.test": "DISCARD",
    "To:closed@local.test": "ERROR:5.2.1:550 mailbox closed",
}
ALIASES = {
    "postmaster": "root",
    "mailer-daemon": "postmaster",
    "team": "m1@ok.test, m2@ok.test, bad0@users.test",
    "all": "team, taker, one@mixed.test",
    "list": "m5@ok.test, m6@ok.test",
    "owner-list": "admin@sender.test",
    "taker": "|/bin/true",
    "refuser": "\"|/bin/sh -c 'echo no such mailbox; exit 67'\"",
    "delayer": "\"|/bin/sh -c 'exit 75'\"",
    "filer": "/srv/mail/filed",
}

class _Sending(live_traffic.Sending):
    def message(self, *recipients: str, **more):
        try:
            super().message(*recipients, **more)
        except smtplib.SMTPException:
            self.client.rset()  # refused, as was wanted


def _be_refused(sending: _Sending, sendmail: SendmailInstance):
    for sender in ("x@banned.test", "x@later.test", "x@discard.test", "x@milter.test", "y@milter.test"):
        sending.message("u1@ok.test", sender=sender)
    for sender in ("x@at.data.test", "x@at.eom.test"):
        sending.message("u1@ok.test", "u2@ok.test", sender=sender)
    for recipient in ("closed@local.test", "nosuch@local.test", "filtered@ok.test"):
        sending.message(recipient, "u2@ok.test")
    sending.client.rset()
    sending.client.docmd("MAIL", "FROM:<big@sender.test>")
    for recipient in ("u1@ok.test", "u2@ok.test"):
        sending.client.rcpt(recipient)
    assert sending.client.data("Subject: big\r\n\r\n" + "x" * 70 + ("\r\n" + "x" * 70) * 2000)[0] == 552
    outsider = sendmail.client(source="127.0.0.9", helo="outsider.test")
    outsider.ehlo()
    for recipient in ("victim0@ok.test", "victim1@ok.test", "nosuch@local.test"):
        outsider.mail("spam@elsewhere.test")
        assert outsider.rcpt(recipient)[0] == 550
        outsider.rset()
    for command in ("VRFY root", "EXPN root", "ETRN ok.test"):
        outsider.docmd(command)
    outsider.quit()
    banned = sendmail.client(source="127.0.0.8", helo="banned.test")
    banned.ehlo()
    banned.mail("a@b.test")
    assert banned.rcpt("root@local.test")[0] == 550
    banned.quit()
    sendmail.client(source="127.0.0.7", helo="quick.test").quit()
    for goes_in_data in (False, True):
        gone = sendmail.client(source="127.0.0.6", helo="gone.test")
        gone.ehlo()
        gone.mail("a@b.test")
        gone.rcpt("root@local.test")
        if goes_in_data:
            gone.docmd("DATA")
            gone.send("Subject: the end is\r\n")
        gone.close()


def _send(sending: _Sending, sendmail: SendmailInstance, sites: list[Site]):
    live_traffic.send_to_server(sending, sites, scale=1)
    for recipients in (
        ["one@nohost.test"], ["one@unknown.invalid"], ["x@error.test", "y@ok.test"], ["team@local.test"], ["all@local.test"], ["list@local.test", "u3@ok.test"],
        ["taker@local.test", "refuser@local.test", "delayer@local.test", "filer@local.test"],
        ["root@local.test", "nobody@local.test"], ['"quo, ted>"@ok.test', "plus+tag@ok.test"],
    ):  # fmt: skip
        sending.message(*recipients)
    sending.message(*[f"one-of-very-many-recipients-{i}@ok.test" for i in range(60)])
    for recipient in ("u7@ok.test", "bad1@users.test", "root@local.test", "nosuch@local.test"):
        sendmail.submit("app@mail.test", recipient, "Subject: from a program\n\nhello\n")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    log_level = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    enter_namespaces()
    server, mailertable = SmtpServer(), {"refused.test": "esmtp:[mx.refused.test]", "nohost.test": "esmtp:[mx.nohost.test]"}
    mailertable["error.test"] = "error:5.7.1:550 this domain is closed"
    sites = [site for site in live_traffic.sites() if not site.is_lmtp]
    with PrivateHost("out1.mail.test") as host:
        for i, site in enumerate(sites):
            site.address, site.port, site.has_helo = f"127.0.1.{i + 1}", 25, False
            if site.domain in ("mail4.test", "mail5.test", "mail421.test", "dropmail.test"):
                site.unheard = [f"{local}@{site.domain}" for local in ("one", "two", "three")]
            host.add_host(site.address, f"mx.{site.domain}")
            mailertable[site.domain] = f"esmtp:[mx.{site.domain}]"
            server.add_site(site)
        host.add_host("127.0.2.1", "mx.refused.test")
        server.start()
        milter = Milter(
            MILTER_PORT,
            mail={"x@milter.test": "550 5.7.1 the filter does not like you"},
            rcpt={"filtered@ok.test": "450 4.7.1 the filter is undecided"},
            end={"y@milter.test": "554 5.7.1 the filter does not like this message"},
        )
        with milter, SendmailInstance(
            root, host, mailertable=mailertable, access=ACCESS, aliases=ALIASES, milter_port=MILTER_PORT,
            log_level=log_level,
        ) as sendmail:  # fmt: skip
            sending = _Sending(sendmail, seed=1)
            _send(sending, sendmail, sites)
            _be_refused(sending, sendmail)
            sending.client.quit()
            sendmail.wait_until_done(90)
        server.stop()
    if server.failure:
        raise server.failure
    write_record(OUT, host.log, server.answers)


if __name__ == "__main__":
    main()
