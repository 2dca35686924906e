"""A real Postfix, started as a private instance in a directory of its own, with its log in a file there.

It listens on a free port of 127.0.0.1, delivers nowhere but to loopback ports, retries after two seconds, gives up after some ten,
and is always stopped by the end of the `with` block. Needs the Debian package (unconfigured will do) and root; no syslogd, no init,
no change to /etc.
"""

import os
import pathlib
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time

from smtp_server import wait_for_greeting

DAEMONS = pathlib.Path("/usr/lib/postfix/sbin")

MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
multi_instance_name =
multi_instance_enable = no
syslog_name = {syslog_name}
enable_long_queue_ids = {long_queue_ids}
myhostname = {hostname}
mydomain = {domain}
myorigin = {domain}
mydestination = local.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.1/32
smtp_host_lookup = native
disable_dns_lookups = yes
smtp_bind_address = {bind_address}
smtpd_peername_lookup = no
transport_maps = texthash:{dir}/transport
alias_maps = texthash:{dir}/aliases
alias_database =
local_recipient_maps =
mail_spool_directory = {dir}/spool
mailbox_size_limit = 0
biff = no
virtual_mailbox_domains = virtual.test
virtual_mailbox_maps = texthash:{dir}/mailboxes
virtual_mailbox_base = {dir}/mailboxes.d
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
recipient_delimiter = +
default_destination_concurrency_failed_cohort_limit = 0
default_destination_concurrency_limit = 20
local_destination_concurrency_limit = 20
queue_run_delay = 2s
minimal_backoff_time = 2s
maximal_backoff_time = 4s
maximal_queue_lifetime = {lifetime}
bounce_queue_lifetime = {lifetime}
delay_warning_time = 0
smtp_connect_timeout = 5s
smtp_helo_timeout = 5s
smtp_mail_timeout = 5s
smtp_rcpt_timeout = 5s
smtp_data_init_timeout = 5s
smtp_data_done_timeout = 5s
smtp_skip_5xx_greeting = no
smtp_tls_security_level = none
header_checks = regexp:{dir}/header_checks
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 1000
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{ verify.test=reject_unverified_recipient }}
smtpd_sender_restrictions = check_sender_access inline:{{ banned.test=REJECT }}
address_verify_poll_count = 5
address_verify_poll_delay = 1s
unverified_recipient_reject_code = 550
{more}
"""

# Everything without chroot: the chroot of a package's instance needs files that this one does not have.
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n  -  n  60   1  pickup
cleanup   unix  n  -  n  -    0  cleanup
qmgr      unix  n  -  n  300  1  qmgr
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
rewrite   unix  -  -  n  -    -  trivial-rewrite
bounce    unix  -  -  n  -    0  bounce
defer     unix  -  -  n  -    0  bounce
trace     unix  -  -  n  -    0  bounce
verify    unix  -  -  n  -    1  verify
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -    -  proxymap
proxywrite unix -  -  n  -    1  proxymap
smtp      unix  -  -  n  -    -  smtp
relay     unix  -  -  n  -    -  smtp
    -o syslog_name={syslog_name}/relay
showq     unix  n  -  n  -    -  showq
error     unix  -  -  n  -    -  error
retry     unix  -  -  n  -    -  error
discard   unix  -  -  n  -    -  discard
local     unix  -  n  n  -    -  local
virtual   unix  -  n  n  -    -  virtual
lmtp      unix  -  -  n  -    -  lmtp
anvil     unix  -  -  n  -    1  anvil
scache    unix  -  -  n  -    1  scache
postlog   unix-dgram n - n -  1  postlogd
taker     unix  -  n  n  -    -  pipe
    flags=F user=nobody argv=/bin/true
refuser   unix  -  n  n  -    -  pipe
    flags=F user=nobody argv=/bin/sh -c {{echo no such mailbox; exit 67}}
delayer   unix  -  n  n  -    -  pipe
    flags=F user=nobody argv=/bin/sh -c {{echo back-end is away; exit 75}}
"""


def is_available() -> bool:
    return os.geteuid() == 0 and (DAEMONS / "master").exists() and shutil.which("postfix") is not None


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class PostfixInstance:
    """Use as `with PostfixInstance(transport={...}) as postfix:`. `log` is good until the end of the block."""

    def __init__(
        self,
        transport: dict[str, str],
        *,
        syslog_name="postfix",
        has_long_queue_ids=True,
        hostname="out1.mail.test",
        bind_address="127.0.0.1",
        lifetime="9s",
        more="",
    ):
        # Short: Unix sockets below it must fit in 108 bytes.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postfix-", dir="/tmp"))
        self.port = free_port()
        self.log = self.dir / "mail.log"
        self._environment = {**os.environ, "MAIL_CONFIG": str(self.dir / "config")}
        self._write_files(transport, syslog_name, has_long_queue_ids, hostname, bind_address, lifetime, more)

    def _write_files(self, transport, syslog_name, has_long_queue_ids, hostname, bind_address, lifetime, more):
        nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        self.dir.chmod(0o755)
        for name in ("config", "queue", "data", "spool", "mailboxes.d"):
            (self.dir / name).mkdir()
        os.chown(self.dir / "data", postfix.pw_uid, postfix.pw_gid)
        os.chown(self.dir / "mailboxes.d", nobody.pw_uid, nobody.pw_gid)
        (self.dir / "spool").chmod(0o1777)
        values = {
            "dir": self.dir,
            "port": self.port,
            "syslog_name": syslog_name,
            "long_queue_ids": "yes" if has_long_queue_ids else "no",
            "hostname": hostname,
            "domain": hostname.partition(".")[2],
            "bind_address": bind_address,
            "lifetime": lifetime,
            "uid": nobody.pw_uid,
            "gid": nobody.pw_gid,
            "more": more,
        }
        (self.dir / "config/main.cf").write_text(MAIN.format(**values).lstrip())
        (self.dir / "config/master.cf").write_text(MASTER.format(**values).lstrip())
        (self.dir / "transport").write_text("".join(f"{domain} {where}\n" for domain, where in transport.items()))
        self.write_table("aliases", {})
        self.write_table("mailboxes", {})
        (self.dir / "header_checks").write_text("/^Subject: forbidden/ REJECT this subject is not welcome\n")

    def write_table(self, name: str, entries: dict[str, str]):
        """aliases (name to expansion) or mailboxes (address to path); before start."""
        (self.dir / name).write_text("".join(f"{key} {value}\n" for key, value in entries.items()))

    def _command(self, *args, check=True, **more) -> subprocess.CompletedProcess:
        return subprocess.run(
            args,
            env=self._environment,
            check=check,
            timeout=60,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )

    def __enter__(self):
        try:
            self._command("postfix", "-c", str(self.dir / "config"), "start")
            wait_for_greeting(self.port, lambda: f"postfix does not answer; its log:\n{self.read_log()}")
        except BaseException as failure:
            self.stop()
            if isinstance(failure, subprocess.CalledProcessError):
                raise RuntimeError(f"postfix does not start: {failure.output}") from failure
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Stops the instance, by force if it must, and removes its directory."""
        pid_file = self.dir / "queue/pid/master.pid"
        master = int(pid_file.read_text()) if pid_file.exists() else None
        self._command("postfix", "-c", str(self.dir / "config"), "stop", check=False)
        if master is not None:
            try:
                os.killpg(master, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)

    def client(self, source="127.0.0.1", helo="client.test") -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname=helo, timeout=60, source_address=(source, 0))

    def queue_is_empty(self) -> bool:
        return "Mail queue is empty" in self._command("postqueue", "-c", str(self.dir / "config"), "-p", check=False).stdout

    def wait_until_done(self, timeout_s: float):
        """Until every message was delivered, refused or given up."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            # Twice: between two queues a message is in neither for an instant.
            if self.queue_is_empty() and not time.sleep(0.3) and self.queue_is_empty():
                return
            time.sleep(0.3)
        raise TimeoutError(f"still in the queue after {timeout_s} s; the log ends:\n" + self.read_log()[-4000:])

    def read_log(self) -> str:
        return self.log.read_text("utf-8", "surrogateescape") if self.log.exists() else ""

    def log_count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.read_log(), re.M))
