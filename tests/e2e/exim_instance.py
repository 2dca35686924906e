"""A real Exim, run in a directory of its own with chroot, with its log in a file there.

The directory holds Debian's packages as they are, unpacked and never installed: another mail server of this machine is not disturbed. Exim
finds there its own users, its own configuration in the place that it trusts, and its own spool. It listens on a free port of 127.0.0.1, delivers
nowhere but to loopback ports, retries after two seconds and gives up after some eight, and is always stopped by the end of the `with`
block. Needs root; no syslogd, no init, no change to /etc.

    root = make_root(directory)          # once; downloads the packages of this machine's release
    with EximInstance(root, routes={"ok.test": "mx.ok.test::2525"}, hosts={"mx.ok.test": "127.0.0.2"}) as exim:
        exim.client().sendmail(...)
"""

import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

from postfix_instance import free_port
from smtp_server import wait_for_greeting

HOSTNAME = "out1.mail.test"

CONFIGURATION = """
primary_hostname = {hostname}
spool_directory = /var/spool/exim4
{log}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
qualify_domain = mail.test
domainlist local_domains = local.test
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
never_users =
remote_max_parallel = 10
queue_run_max = 10
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
ignore_bounce_errors_after = 3s
timeout_frozen_after = 10s
trusted_users = root
tls_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_connect = acl_connect
acl_smtp_helo = acl_helo
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data

begin acl
acl_connect:
  deny hosts = 127.0.0.66
       message = no connections from you
  accept
acl_helo:
  deny condition = ${{if eq{{$sender_helo_name}}{{liar.test}}}}
       message = I do not believe you
  accept
acl_mail:
  deny sender_domains = banned.test
       message = this sender is not welcome
  accept
acl_rcpt:
  deny   domains = closed.test
         message = 550 5.7.1 this domain is closed
  defer  domains = later.test
         message = come back later
  warn   domains = cut.test
         control = cutthrough_delivery
  accept hosts = 127.0.0.1
  deny   message = relay not permitted
acl_data:
  deny condition = ${{if match{{$h_subject:}}{{forbidden}}}}
       message = this subject is not welcome
  accept

begin routers
looped:
  driver = redirect
  domains = loop.test
  condition = ${{if eq{{$sender_helo_name}}{{{hostname}}}}}
  data = :blackhole:
  allow_fail
away:
  driver = manualroute
  domains = lsearch;/etc/exim4/routes
  route_data = $domain_data byname
  transport = ${{if eq{{$domain}}{{lmtp.test}}{{remote_lmtp}}{{remote_smtp}}}}
  self = send
  host_find_failed = defer
  no_more
aliases:
  driver = redirect
  domains = +local_domains
  data = ${{lookup{{$local_part}}lsearch{{/etc/exim4/aliases}}}}
  allow_fail
  allow_defer
  file_transport = address_file
  pipe_transport = address_pipe
  reply_transport = address_reply
  user = mail
users:
  driver = accept
  domains = +local_domains
  condition = ${{if match{{$local_part}}{{^known}}}}
  log_as_local
  transport = local_delivery

begin transports
remote_smtp:
  driver = smtp
  connect_timeout = 3s
  command_timeout = 3s
  data_timeout = 3s
  final_timeout = 3s
  allow_localhost
  interface = 127.0.0.1
  tls_verify_hosts =
  tls_try_verify_hosts =
  hosts_try_auth = {{${{if eq{{$domain}}{{loop.test}}{{127.0.0.1}}}}}}
remote_lmtp:
  driver = smtp
  protocol = lmtp
  allow_localhost
local_delivery:
  driver = appendfile
  file = /var/mail/box
  user = mail
address_file:
  driver = appendfile
address_pipe:
  driver = pipe
  path = /bin
address_reply:
  driver = autoreply

begin retry
* * F,8s,2s

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if eq{{$auth2}}{{us}}}}
  server_set_id = $auth2
  client_send = ^us^secret
"""

PASSWD = """\
root:x:0:0::/:/bin/sh
Debian-exim:x:4100:4100::/var/spool/exim4:/bin/sh
mail:x:8:8::/var/mail:/bin/sh
"""
GROUP = "root:x:0:\nDebian-exim:x:4100:\nmail:x:8:\nadm:x:4:\n"
SERVICES = "smtp 25/tcp\nlmtp 24/tcp\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"


def make_root(directory: pathlib.Path) -> pathlib.Path:
    """Downloads exim4-daemon-light and the libraries that it needs, of this machine's release, and unpacks them into the directory."""
    options = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    depends = subprocess.run(
        ["apt-cache", "depends", "--recurse", *options, "exim4-daemon-light"], check=True, capture_output=True, text=True
    )
    names = {line for line in depends.stdout.splitlines() if line.startswith("lib") and ":" not in line}
    packages = directory / "packages"
    packages.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "exim4-daemon-light", "busybox-static", *sorted(names)], cwd=packages, check=True)
    root = directory / "root"
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


class _Syslog:
    """Takes the place of syslogd in the root: what Exim sends, with the host's name, as syslogd writes it."""

    def __init__(self, path: pathlib.Path, log: pathlib.Path, host: str):
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._log, self._host = log, host.encode()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with open(self._log, "ab") as log:
            while message := self._socket.recv(65536):
                _, _, text = message.partition(b">")
                log.write(text[:16] + self._host + b" " + text[16:].rstrip(b"\n\0") + b"\n")
                log.flush()


class EximInstance:
    """`routes`: domain to "host::port"; `hosts`: name to address. `log` is good until the end of the block."""

    def __init__(self, root: pathlib.Path, routes: dict[str, str], hosts: dict[str, str], aliases: dict[str, str] | None = None,
                 *, log_selector="", has_timezone=False, by_syslog=False):  # fmt: skip
        self.root = root
        self.port = free_port()
        self.log = root / "var/log/exim4/mainlog"
        self._process = None
        self._make_directories()
        log = f"log_selector = {log_selector}\n" if log_selector else ""
        log += "log_timezone = true\n" if has_timezone else ""
        log += "log_file_path = syslog\nsyslog_timestamp = no\nsyslog_duplication = no\nsyslog_processname = exim\n" if by_syslog else "log_file_path = /var/log/exim4/%slog\n"
        if by_syslog:
            self._syslog = _Syslog(root / "dev/log", self.log, HOSTNAME.partition(".")[0])
        self._write("etc/exim4/exim4.conf", CONFIGURATION.format(hostname=HOSTNAME, port=self.port, log=log).lstrip())
        self._write("etc/exim4/routes", "".join(f"{domain}: {where}\n" for domain, where in {**routes, **self._own_route()}.items()))
        self._write("etc/exim4/aliases", "".join(f"{name}: {to}\n" for name, to in (aliases or {}).items()))
        self._write("etc/hosts", "127.0.0.1 localhost loop.mail.test\n" + "".join(f"{ip} {name}\n" for name, ip in hosts.items()))

    def _own_route(self) -> dict[str, str]:
        return {"loop.test": f"loop.mail.test::{self.port}"}

    def _write(self, name: str, text: str):
        (self.root / name).write_text(text)

    def _make_directories(self):
        for name in ("etc/exim4", "tmp", "dev", "run"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name, owner in (("var/spool/exim4", 4100), ("var/log/exim4", 4100), ("var/mail", 8)):
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir(parents=True)
            os.chown(self.root / name, owner, owner)
        (self.root / "tmp").chmod(0o1777)
        for name, minor in (("null", 3), ("urandom", 9)):
            if not (self.root / "dev" / name).exists():
                os.mknod(self.root / "dev" / name, 0o20666, os.makedev(1, minor))
                (self.root / "dev" / name).chmod(0o666)
        for name in ("lib64", "lib", "bin"):
            if not (self.root / name).exists():
                (self.root / name).symlink_to(f"usr/{name}")
        for name in ("sh", "true"):
            if not (self.root / "bin" / name).exists():
                (self.root / "bin" / name).symlink_to("busybox")
        for name, text in (("passwd", PASSWD), ("group", GROUP), ("nsswitch.conf", NSSWITCH), ("resolv.conf", ""), ("services", SERVICES)):
            self._write(f"etc/{name}", text)

    def command(self, *args, stdin="") -> str:
        """exim with these arguments; its output."""
        done = subprocess.run(["chroot", self.root, "/usr/sbin/exim4", *args], input=stdin, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def __enter__(self):
        self._process = subprocess.Popen(["chroot", self.root, "/usr/sbin/exim4", "-bdf", "-q1s"],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        try:
            wait_for_greeting(self.port, lambda: f"Exim does not answer; its log:\n{self.read_log()}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(10)
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass

    def client(self, source="127.0.0.1", helo="client.test") -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname=helo, timeout=60, source_address=(source, 0))

    def wait_until_done(self, timeout_s: float):
        """Until every message was delivered, refused or given up."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.command("-bpc").strip() == "0" and not time.sleep(0.5) and self.command("-bpc").strip() == "0":
                return
            time.sleep(0.5)
        raise TimeoutError(f"still in the queue after {timeout_s} s:\n{self.command('-bp')}; the log ends:\n{self.read_log()[-4000:]}")

    def read_log(self) -> str:
        return self.log.read_text("utf-8", "surrogateescape") if self.log.exists() else ""
