"""Records tests/data/haraka/live: a real Haraka's log, and what the server that it delivered to answered.

    python3 tests/e2e/record_haraka.py HARAKA       HARAKA: the directory of the npm package, with its dependencies installed

Run by hand when there is a new Haraka to record; takes half a minute. test_haraka_recorded.py compares the two files. Haraka listens on
a port of the loopback, takes what comes, and finds the sites of smtp_server.py by a plugin of this file.
"""

import json
import pathlib
import smtplib
import subprocess
import sys
import tempfile
import time

from live_record import write_record
from smtp_server import ACCEPT, DROP, Reply, Site, SmtpServer

OUT = pathlib.Path(__file__).resolve().parents[1] / "data/haraka/live"
PORT = 2525
PLUGIN = """
const ports = %s;
exports.hook_rcpt = (next, connection) => { connection.relaying = true; next(OK); };
exports.hook_get_mx = (next, hmail, domain) => {
    if (!(domain in ports)) return next(DENY, `no such domain: ${domain}`);
    next(OK, { priority: 0, exchange: '127.0.0.2', port: ports[domain] });
};
"""


def sites() -> list[Site]:
    return [
        Site("ok.test"),
        Site("users.test", rcpt={"bad": [Reply("550 5.1.1 no such user")], "full": [Reply("452 4.2.2 mailbox full")]}),
        Site("later.test", rcpt={"ann": [Reply("450 4.7.1 greylisted, come back"), ACCEPT]}),
        Site("spam.test", end=[Reply("554 5.7.1 rejected:\nsee https://spam.test/why=x")]),
        Site("sender.test", mail=[Reply("553 5.1.8 sender not wanted")]),
        Site("busy.test", mail=[Reply("451 4.3.2 busy"), Reply("250 2.1.0 Ok")]),
        Site("never.test", end=[Reply("451 4.7.1 never")]),
        Site("drop.test", data=[DROP]),
    ]


def set_up(directory: pathlib.Path, haraka: pathlib.Path, server: SmtpServer):
    ports = {site.domain: site.port for site in server.sites.values()}
    (directory / "config").mkdir()
    (directory / "plugins").mkdir()
    (directory / "plugins/sites.js").write_text(PLUGIN % json.dumps(ports))
    files = {
        "smtp.ini": f"listen=127.0.0.1:{PORT}\nnodes=0\n",
        "log.ini": "[main]\nlevel=info\ntimestamps=true\n",
        "outbound.ini": "local_mx_ok=true\ntemp_fail_intervals=5s,5s\nenable_tls=false\n",
        "plugins": "sites\n",
        "me": "mta1.shop.test\n",
        "connection.ini": (haraka / "config/connection.ini").read_text(),
    }
    for name, text in files.items():
        (directory / "config" / name).write_text(text)


def send(sender: str, *recipients: str):
    with smtplib.SMTP("127.0.0.1", PORT, "client.shop.test", timeout=20) as client:
        client.sendmail(sender, list(recipients), f"Subject: test\r\nMessage-ID: <{time.time_ns()}@shop.test>\r\n\r\nHello\r\n")


def main():
    haraka = pathlib.Path(sys.argv[1]).resolve()
    server = SmtpServer()
    for site in sites():
        server.add_site(site)
    server.start()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        set_up(directory, haraka, server)
        log = directory / "haraka.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(["node", str(haraka / "bin/haraka"), "-c", name], stdout=out, stderr=out)
        try:
            time.sleep(8)
            send("bounce@shop.test", "ann@ok.test")
            send("bounce@shop.test", "ann@ok.test", "bob@ok.test", "cid@users.test")
            send("bounce@shop.test", "ann@users.test", "bad@users.test", "full@users.test")
            send("", "ann@ok.test")
            for domain in ("later", "spam", "sender", "busy", "never", "drop"):
                send("bounce@shop.test", f"ann@{domain}.test")
            send("bounce@shop.test", "ann@nowhere.test")
            time.sleep(25)
        finally:
            process.terminate()
            process.wait(20)
        lines = log.read_bytes()
        write_record(OUT, lines[lines.rindex(b"\n", 0, lines.index(b"] Listening on ")) + 1 :], server.answers)
    server.stop()


if __name__ == "__main__":
    main()
