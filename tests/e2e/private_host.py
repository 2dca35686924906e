"""A host of its own for a mail server that has its paths compiled in and logs by syslog(3): namespaces for mounts, network and name.

    enter_namespaces()                                # once, before anything else: runs the script again inside of them
    with PrivateHost("out1.mail.test") as host:       # /etc is a copy-on-write view, /srv is empty, port 25 is free, DNS is away
        host.write("/etc/mail/access", "...")
        ...
    host.log                                          # what was sent to /dev/log, as RFC 3164 lines with the host's short name

Nothing outside changes. Needs root and Linux.
"""

import os
import pathlib
import socket
import subprocess
import sys
import threading

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def enter_namespaces():
    if os.environ.get("PRIVATE_HOST") != "yes":
        os.environ["PRIVATE_HOST"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc", sys.executable, *sys.argv])


def _run(*command):
    subprocess.run([str(part) for part in command], check=True)


class PrivateHost:
    """Inside of its namespaces. `dir` is an empty directory in which every parent is root's."""

    def __init__(self, name: str):
        self.name, self.dir, self.log = name, pathlib.Path("/srv/mail"), b""
        self._hosts = [f"127.0.0.1 localhost {name} {name.partition('.')[0]}"]
        self._lines: list[bytes] = []

    def __enter__(self):
        _run("mount", "--make-rprivate", "/")
        _run("ip", "link", "set", "lo", "up")
        _run("hostname", self.name)
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/srv")
        self.dir.mkdir()
        self._mount_overlay("etc")
        self._mount_dev()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self._socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("/etc/nsswitch.conf", "".join(f"{table}: files\n" for table in ("passwd", "group", "shadow", "hosts", "services")))
        self.add_host("127.0.0.1", "localhost")
        return self

    @staticmethod
    def _mount_overlay(name: str):
        upper, work = pathlib.Path(f"/srv/{name}"), pathlib.Path(f"/srv/{name}.work")
        upper.mkdir()
        work.mkdir()
        _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/{name},upperdir={upper},workdir={work}", f"/{name}")

    def _mount_dev(self):
        dev = pathlib.Path("/srv/dev")
        dev.mkdir()
        for name in DEVICES:
            (dev / name).touch()
            _run("mount", "--bind", f"/dev/{name}", dev / name)
        (dev / "shm").mkdir()
        _run("mount", "-t", "tmpfs", "none", dev / "shm")
        _run("mount", "--rbind", dev, "/dev")

    def _read_log(self):
        short = self.name.partition(".")[0].encode()
        while datagram := self._socket.recv(65536).rstrip(b"\n\0"):
            line = datagram[datagram.index(b">") + 1 :] if datagram.startswith(b"<") else datagram
            self._lines.append(line[:16] + short + b" " + line[16:] + b"\n")  # "Nov 24 08:15:07 " and the program

    def __exit__(self, *_):
        ender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ender.connect("/dev/log")
        ender.send(b"\n")
        self._reader.join(10)
        self.log = b"".join(self._lines)

    def write(self, path, text: str, mode=0o644):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def add_packages(self, root: pathlib.Path):
        """Shows what lies in ROOT/usr as if it were installed; /var becomes a copy-on-write view, /run empty."""
        _run("mount", "-t", "tmpfs", "none", "/run")
        _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root}/usr:/usr", "/usr")
        self._mount_overlay("var")

    def add_host(self, address: str, *names: str):
        self._hosts.append(" ".join((address, *names)))
        self.write("/etc/hosts", "\n".join(self._hosts) + "\n")
