"""Records tests/data/opensmtpd/live: a real OpenSMTPD's log, and what the server that it delivered to answered.

    python3 tests/e2e/record_opensmtpd.py ROOT       ROOT: see opensmtpd_instance.py

Run by hand, as root, when there is a new OpenSMTPD to record; takes half a minute. test_recorded_live.py compares the two files.
"""

import pathlib
import smtplib
import sys

import live_traffic
from live_record import write_record
from opensmtpd_instance import OpensmtpdInstance
from private_host import PrivateHost, enter_namespaces
from smtp_server import Site, SmtpServer

OUT = pathlib.Path(__file__).resolve().parents[1] / "data/opensmtpd/live"

ALIASES = {"team": "m1@ok.test, m2@ok.test, bad0@users.test", "taker": "daemon", "all": "team, taker"}


class _Sending(live_traffic.Sending):
    def message(self, *recipients: str, **more):
        try:
            super().message(*recipients, **more)
        except smtplib.SMTPException:
            self.client.rset()  # refused, as was wanted


def _be_refused(sending: _Sending, smtpd: OpensmtpdInstance):
    sending.message("nosuch@local.test", "u2@ok.test")
    sending.message("u3@ok.test", sender="x@banned.test")
    sending.message("later@ok.test", "u4@ok.test")
    outsider = smtpd.client(source="127.0.0.9", helo="outsider.test")
    outsider.ehlo()
    for recipient in ("victim0@ok.test", "victim1@ok.test"):
        outsider.mail("spam@elsewhere.test")
        assert outsider.rcpt(recipient)[0] == 550
        outsider.rset()
    outsider.docmd("NONSENSE")
    outsider.quit()
    gone = smtpd.client(source="127.0.0.6", helo="gone.test")
    gone.ehlo()
    gone.mail("a@b.test")
    gone.rcpt("daemon@local.test")
    gone.close()


def _send(sending: _Sending, sites: list[Site]):
    live_traffic.send_to_server(sending, sites, scale=1)
    for recipients in (
        ["one@unknown.invalid"], ["team@local.test"], ["all@local.test"], ["daemon@local.test", "games@local.test", "news@local.test"],
        ['"quo, ted>"@ok.test', "plus+tag@ok.test"],
    ):  # fmt: skip
        sending.message(*recipients)


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    enter_namespaces()
    server, relays = SmtpServer(), {"refused.test": "smtp://127.0.2.1"}
    sites = [site for site in live_traffic.sites() if not site.is_lmtp and site.domain != "silent.test"]  # five minutes of patience
    with PrivateHost("out1.mail.test") as host:
        for i, site in enumerate(sites):
            site.address, site.port = f"127.0.1.{i + 1}", 25
            if site.domain in ("mail4.test", "mail5.test", "mail421.test", "dropmail.test"):
                site.unheard = [f"{local}@{site.domain}" for local in ("one", "two", "three")]
            host.add_host(site.address, f"mx.{site.domain}")
            relays[site.domain] = f"smtp://{site.address}"
            server.add_site(site)
        server.start()
        with OpensmtpdInstance(root, host, relays=relays, aliases=ALIASES) as smtpd:
            sending = _Sending(smtpd, seed=1)
            _send(sending, sites)
            _be_refused(sending, smtpd)
            sending.client.quit()
            smtpd.wait_until_done(120)
        server.stop()
    if server.failure:
        raise server.failure
    write_record(OUT, host.log, server.answers)


if __name__ == "__main__":
    main()
