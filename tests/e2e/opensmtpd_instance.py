"""A real OpenSMTPD on a PrivateHost.

`root` is a directory into which the Debian package opensmtpd was unpacked (apt-get download, dpkg -x): installed it would take the
place of another mail server. Its first retry would come after minutes; wait_until_done() asks for one every three seconds.
"""

import os
import pathlib
import smtplib
import subprocess
import time

from private_host import PrivateHost
from smtp_server import wait_for_greeting

LIFETIME_S = 40

QUEUE_GROUP = 992
USERS = f"""
opensmtpd:x:991:991::/var/lib/opensmtpd/empty:/usr/sbin/nologin
opensmtpq:x:{QUEUE_GROUP}:{QUEUE_GROUP}::/var/lib/opensmtpd/empty:/usr/sbin/nologin
"""
GROUPS = f"opensmtpd:x:991:\nopensmtpq:x:{QUEUE_GROUP}:\n"

CONFIG = """
queue ttl {lifetime}s
bounce warn-interval 6s
table aliases file:/etc/mail/aliases
table banned {{ "x@banned.test" }}
table later {{ "later@ok.test" }}
filter banned phase mail-from match mail-from <banned> reject "550 5.7.1 you are banned"
filter later phase rcpt-to match rcpt-to <later> reject "450 4.7.1 come back later"
filter all chain {{ banned, later }}
listen on 127.0.0.1 port 25 hostname {name} filter all
action "local" mda "/bin/sh -c 'case %{{dest.user}} in games) echo no such mailbox; exit 67;; news) exit 75;; esac; cat >/dev/null'" alias <aliases>
action "any" relay
"""


class OpensmtpdInstance:
    """Use as `with OpensmtpdInstance(root, host, ...) as smtpd:`. relays: domain -> URL."""

    def __init__(self, root: pathlib.Path, host: PrivateHost, *, relays: dict[str, str], aliases: dict[str, str]):
        control = root / "usr/sbin/smtpctl"  # insists on being setgid
        os.chown(control, 0, QUEUE_GROUP)
        control.chmod(0o2755)
        host.add_packages(root)
        self.host = host
        for path, lines in (("/etc/passwd", USERS), ("/etc/group", GROUPS)):
            host.write(path, pathlib.Path(path).read_text() + lines.lstrip())
        for path in ("/var/lib/opensmtpd/empty", "/var/spool/smtpd"):
            pathlib.Path(path).mkdir(mode=0o711, parents=True)
        host.write("/etc/mail/aliases", "".join(f"{name}: {value}\n" for name, value in aliases.items()))
        config = CONFIG.format(lifetime=LIFETIME_S, name=host.name)
        for i, (domain, url) in enumerate(relays.items()):
            config += f'action "relay{i}" relay host {url}\nmatch from local for domain "{domain}" action "relay{i}"\n'
        config += 'match from any for domain "local.test" action "local"\nmatch from local for any action "any"\n'
        host.write("/etc/smtpd.conf", config)

    def __enter__(self):
        self._daemon = subprocess.Popen(["/usr/sbin/smtpd", "-F"])
        wait_for_greeting(25, lambda: "smtpd does not answer")
        return self

    def __exit__(self, *_):
        self._daemon.terminate()
        self._daemon.wait(30)

    def client(self, source="127.0.0.1", helo="client.test") -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", 25, local_hostname=helo, timeout=60, source_address=(source, 0))

    def _control(self, *command) -> str:
        done = subprocess.run(["/usr/sbin/smtpctl", *command], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"smtpctl {' '.join(command)}: {done.stderr}")
        return done.stdout

    def wait_until_done(self, timeout_s: float):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self._control("show", "queue"):
                return
            time.sleep(3)
            self._control("schedule", "all")
        raise TimeoutError(f"still in the queue after {timeout_s} s:\n{self._control('show', 'queue')}")
