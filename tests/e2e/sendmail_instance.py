"""A real Sendmail on a PrivateHost: the daemon, its queue runner every three seconds, and the submission program.

`root` is a directory into which the Debian packages sendmail-bin, sendmail-cf, libwrap0, liblockfile1, m4 and libsigsegv2 were
unpacked (apt-get download, dpkg -x): installed they would take the place of another mail server.
"""

import os
import pathlib
import smtplib
import subprocess
import time

from private_host import PrivateHost
from smtp_server import wait_for_greeting

LIFETIME_S, WARNING_S = 15, 6

MTA = """
define(`_USE_ETC_MAIL_')dnl
OSTYPE(`linux')dnl
define(`confTRUSTED_USER', `root')
define(`QUEUE_DIR', `{dir}/queue')
define(`STATUS_FILE', `{dir}/statistics')
define(`HELP_FILE', `{dir}/helpfile')
define(`confPID_FILE', `{dir}/pid')
define(`confDOMAIN_NAME', `{name}')
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')
define(`confQUEUE_LA', `1000')define(`confREFUSE_LA', `1000')define(`confDELAY_LA', `0')
define(`confMIN_QUEUE_AGE', `0')define(`confMAX_QUEUE_CHILDREN', `0')
define(`confTO_QUEUERETURN', `{lifetime}s')define(`confTO_QUEUEWARN', `{warning}s')
define(`confTO_QUEUERETURN_DSN', `{lifetime}s')
define(`confTO_CONNECT', `5s')define(`confTO_ICONNECT', `5s')define(`confTO_INITIAL', `5s')define(`confTO_HELO', `5s')
define(`confTO_MAIL', `5s')define(`confTO_RCPT', `5s')define(`confTO_DATAINIT', `5s')define(`confTO_DATAFINAL', `5s')
define(`confTO_QUIT', `2s')define(`confTO_HOSTSTATUS', `1s')define(`confTO_IDENT', `0')
define(`confLOG_LEVEL', `{log_level}')define(`confMAX_MESSAGE_SIZE', `100000')
define(`confBAD_RCPT_THROTTLE', `0')
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe,runprograminunsafedirpath,nonrootsafeaddr')
define(`LOCAL_MAILER_PATH', `/bin/true')define(`LOCAL_MAILER_ARGS', `true $u')
FEATURE(`nouucp', `reject')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`mailertable', `hash /etc/mail/mailertable')
FEATURE(`access_db', `hash -T<TMPF> /etc/mail/access')
FEATURE(`delay_checks')
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port=25')
INPUT_MAIL_FILTER(`filter', `S=inet:{milter_port}@127.0.0.1, F=T')
LOCAL_DOMAIN(`local.test')
EXPOSED_USER(`root')
MAILER(local)
MAILER(smtp)
LOCAL_RULESETS
Scheck_data
R$*			$: $&f
R$* at.data.test $*	$#error $@ 5.7.1 $: "550 no data from this sender"
Scheck_eom
R$*			$: $&f
R$* at.eom.test $*	$#error $@ 5.7.1 $: "550 no message from this sender"
"""

SUBMISSION = """
define(`_USE_ETC_MAIL_')dnl
OSTYPE(`linux')dnl
define(`confCF_VERSION', `Submit')
define(`__OSTYPE__', `')
define(`confDONT_INIT_GROUPS', `True')
define(`confRUN_AS_USER', `mail:mail')
define(`confTRUSTED_USER', `mail')
define(`MSP_QUEUE_DIR', `{dir}/clientqueue')
define(`MSP_STATUS_FILE', `{dir}/clientqueue/statistics')
define(`confPID_FILE', `{dir}/clientqueue/pid')
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')
FEATURE(`use_ct_file')
FEATURE(`msp', `[127.0.0.1]')
"""


class SendmailInstance:
    """Use as `with SendmailInstance(root, host, ...) as sendmail:`. Tables map keys to values."""

    def __init__(self, root: pathlib.Path, host: PrivateHost, *, mailertable, access, aliases, milter_port, log_level=9):
        self.root, self.host = root, host
        self._program = root / "usr/libexec/sendmail/sendmail"
        self._program.chmod(0o755)  # setgid, it would not look into our directory of libraries
        self._environment = {**os.environ, "LD_LIBRARY_PATH": str(root / "usr/lib/x86_64-linux-gnu")}
        values = {
            "dir": host.dir, "name": host.name, "lifetime": LIFETIME_S, "warning": WARNING_S,
            "milter_port": milter_port, "log_level": log_level,
        }  # fmt: skip
        (host.dir / "queue").mkdir(mode=0o700)
        (host.dir / "clientqueue").mkdir(mode=0o770)
        self._run("chown", "mail:mail", host.dir / "clientqueue")
        host.write("/etc/mail/service.switch", "hosts files\naliases files\npasswd files\n")
        host.write("/etc/mail/aliases", "".join(f"{name}: {value}\n" for name, value in aliases.items()))
        for name in ("local-host-names", "trusted-users", "relay-domains"):
            host.write(f"/etc/mail/{name}", "")
        self._configure("sendmail", MTA.format(**values))
        self._configure("submit", SUBMISSION.format(**values))
        self._make_table("mailertable", mailertable)
        self._make_table("access", access)
        self._run(self._program, "-bi", "-C", "/etc/mail/sendmail.cf")

    def _run(self, *command, check=True, **more) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(part) for part in command], env=self._environment, check=check, timeout=60, capture_output=True, text=True, **more
        )

    def _configure(self, name: str, macros: str):
        source, folder = self.host.dir / f"{name}.mc", self.root / "usr/share/sendmail/cf"
        self.host.write(source, macros)
        done = self._run(self.root / "usr/bin/m4", f"-D_CF_DIR_={folder}/", folder / "m4/cf.m4", source)
        self.host.write(f"/etc/mail/{name}.cf", done.stdout)

    def _make_table(self, name: str, entries: dict[str, str]):
        text = "".join(f"{key}\t{value}\n" for key, value in entries.items())
        self._run(self.root / "usr/libexec/sendmail/makemap", "hash", f"/etc/mail/{name}.db", input=text)

    def __enter__(self):
        self._daemon = subprocess.Popen(
            [self._program, "-L", "sm-mta", "-C", "/etc/mail/sendmail.cf", "-bD", "-q3s"], env=self._environment
        )
        wait_for_greeting(25, lambda: "sendmail does not answer")
        return self

    def __exit__(self, *_):
        self._daemon.terminate()
        self._daemon.wait(30)

    def client(self, source="127.0.0.1", helo="client.test") -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", 25, local_hostname=helo, timeout=60, source_address=(source, 0))

    def submit(self, sender: str, recipient: str, text: str):
        """As a program on the host does it. What is refused comes back as mail."""
        self._run(self._program, "-Ac", "-C", "/etc/mail/submit.cf", "-f", sender, recipient, input=text, check=False)

    def _queue_is_empty(self) -> bool:
        return not any(file.name.startswith("qf") for queue in ("queue", "clientqueue") for file in (self.host.dir / queue).iterdir())

    def wait_until_done(self, timeout_s: float):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # Twice: between two queues a message is in neither for an instant.
            if self._queue_is_empty() and not time.sleep(2) and self._queue_is_empty():
                return
            time.sleep(0.3)
        raise TimeoutError(f"still in the queue after {timeout_s} s")
