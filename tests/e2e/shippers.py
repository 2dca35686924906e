"""Real log shippers for tests, from Debian's packages: unpacked into a cache and run from there, never installed, so that no daemon of
theirs touches the machine and rsyslog and syslog-ng, which cannot both be installed, can both be tried.

    with Rsyslog(dir, brokers, {"topic": TEMPLATE}) as shipper:
        shipper.send(lines)

The cache is $BOUNCEMILL_SHIPPERS, or bouncemill-tests/ in $XDG_CACHE_HOME. Unavailable says why there is none.
"""

import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import time

from kafka_cluster import free_ports

PACKAGES = [
    "rsyslog", "rsyslog-kafka", "libestr0", "libfastjson4", "liblognorm5",
    "syslog-ng-core", "syslog-ng-mod-rdkafka", "libivykis0", "libnet1", "libpcre3", "libwrap0",
    "systemd-journal-remote", "libmicrohttpd12",
]  # fmt: skip
START_SECONDS = 20
STOP_SECONDS = 20


class Unavailable(Exception):
    """Why the shippers cannot be had here."""


def _download(target: pathlib.Path):
    packages = target / "packages"
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir()
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES]
    for try_number in range(2):
        done = subprocess.run(command, cwd=packages, capture_output=True, text=True, timeout=300)
        if done.returncode == 0:
            return sorted(packages.glob("*.deb"))
        if try_number == 0:  # the lists may be old, or not there yet
            subprocess.run(["apt-get", "-q", "update"], capture_output=True, timeout=300)
    raise Unavailable(f"Debian's packages of the shippers cannot be downloaded: {done.stderr.strip()[-300:]}")


def unpacked() -> pathlib.Path:
    """The directory in which all packages are unpacked; fetched when it is not there yet."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Unavailable("the shippers come from Debian's packages, and this is no Debian")
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    target = pathlib.Path(os.environ.get("BOUNCEMILL_SHIPPERS") or pathlib.Path(cache) / "bouncemill-tests" / "shippers")
    target.mkdir(parents=True, exist_ok=True)
    with open(target / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / ".complete").exists():
            for package in _download(target):
                subprocess.run(["dpkg", "-x", package, target / "root"], check=True, capture_output=True)
            (target / ".complete").touch()
    return target / "root"


def environment(root: pathlib.Path) -> dict:
    libraries = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu", root / "usr/lib/syslog-ng"]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries))}


class _Daemon:
    """A shipper in the foreground that listens on a TCP port of 127.0.0.1."""

    def __init__(self, dir: pathlib.Path):
        self.dir = dir
        self.root = unpacked()
        (self.port,) = free_ports(1)
        self.process = None

    def __enter__(self):
        with open(self.dir / "daemon.log", "wb") as log:
            self.process = subprocess.Popen(self.command(), env=environment(self.root), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise RuntimeError(f"{type(self).__name__} did not start:\n{(self.dir / 'daemon.log').read_text(errors='replace')[-2000:]}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def send(self, lines: list[bytes]):
        """Lines without their newlines, as syslog over TCP (facility mail, severity info)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(b"".join(b"<22>" + line + b"\n" for line in lines))


class Rsyslog(_Daemon):
    """Sends to each topic what its template makes; None: what rsyslog sends without one."""

    def __init__(self, dir, brokers, topics: dict):
        super().__init__(dir)
        host, port = brokers.split(":")
        actions = ""
        for number, (topic, template) in enumerate(topics.items()):
            chosen = ""
            if template:
                actions += f'template(name="t{number}" type="list") {{ {template} }}\n'
                chosen = f'template="t{number}"'
            actions += f'action(type="omkafka" broker=["{host}:{port}"] topic="{topic}" {chosen} confParam=["queue.buffering.max.ms=5"])\n'
        (dir / "rsyslog.conf").write_text(
            f'global(workDirectory="{dir}" maxMessageSize="64k")\n'
            'module(load="imptcp")\nmodule(load="omkafka")\nmain_queue(queue.workerThreads="1")\n'
            f'input(type="imptcp" address="127.0.0.1" port="{self.port}")\n{actions}'
        )

    def command(self):
        modules = self.root / "usr/lib/x86_64-linux-gnu/rsyslog"
        return [self.root / "usr/sbin/rsyslogd", "-n", "-f", self.dir / "rsyslog.conf", "-i", self.dir / "rsyslog.pid", "-M", modules]


class SyslogNg(_Daemon):
    """Sends to each topic the message of its template."""

    def __init__(self, dir, brokers, topics: dict):
        super().__init__(dir)
        targets = "".join(
            f'destination d{n} {{ kafka-c(bootstrap-servers("{brokers}") topic("{topic}") message("{template}")); }};\n'
            f"log {{ source(s); destination(d{n}); }};\n"
            for n, (topic, template) in enumerate(topics.items())
        )
        (dir / "syslog-ng.conf").write_text(
            "@version: 3.38\noptions { keep-hostname(yes); keep-timestamp(yes); log-msg-size(65536); };\n"
            f'source s {{ network(transport("tcp") ip("127.0.0.1") port({self.port})); }};\n{targets}'
        )

    def command(self):
        return [
            self.root / "usr/sbin/syslog-ng", "-F", "--no-caps", "-f", self.dir / "syslog-ng.conf",
            "-R", self.dir / "persist", "-c", self.dir / "control", "-p", self.dir / "syslog-ng.pid",
            f"--module-path={self.root}/usr/lib/syslog-ng/3.38",
        ]  # fmt: skip


def through_journal(dir: pathlib.Path, entries: list[dict]) -> bytes:
    """What `journalctl -o json` says of a journal with these entries."""
    root = unpacked()
    if not shutil.which("journalctl"):
        raise Unavailable("there is no journalctl")
    export = "".join("".join(f"{name}={value}\n" for name, value in entry.items()) + "\n" for entry in entries)
    journal = dir / "test.journal"
    subprocess.run(
        [root / "lib/systemd/systemd-journal-remote", "-o", journal, "-"],
        input=export.encode(), env=environment(root), check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return subprocess.run(["journalctl", "--file", journal, "-o", "json"], check=True, capture_output=True, timeout=60).stdout
