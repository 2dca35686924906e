"""A disk that fails, kills or forgets: disk_shim.c between program and store, and what a power cut leaves of a recorded run."""

import dataclasses
import os
import pathlib
import random
import subprocess

SECTOR = 4096


def build_shim(directory: pathlib.Path) -> pathlib.Path:
    shim, source = directory / "disk_shim.so", pathlib.Path(__file__).with_name("disk_shim.c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(shim), str(source), "-ldl", "-pthread"]
    subprocess.run(command, check=True)
    return shim


def environment(shim, directory, plan="", record=None) -> dict[str, str]:
    """Of a program whose calls below `directory` are shimmed."""
    found = {**os.environ, "LD_PRELOAD": str(shim), "DISK_DIR": str(directory), "DISK_PLAN": plan}
    return found | ({"DISK_RECORD": str(record)} if record else {})


# ---- the record -----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Call:
    name: str
    inode: int
    offset: int
    data: bytes
    path: str
    to: str = ""


def read_record(path: pathlib.Path) -> list[Call]:
    calls = []
    with open(path, "rb") as record:
        while head := record.readline():
            name, inode, offset, length, *paths = head.decode().rstrip("\n").split(" ")
            calls.append(Call(name, int(inode), int(offset), record.read(int(length)), *paths))
    return calls


# ---- the disk -------------------------------------------------------------------------------------------------------------------


class File:
    """What is safe, and the writes and truncations since the last fsync."""

    def __init__(self):
        self.safe, self.pending = bytearray(), []

    def content(self, pending) -> bytes:
        data = bytearray(self.safe)
        for offset, bytes_ in pending:
            if bytes_ is None:
                del data[offset:]
            if len(data) < offset:
                data.extend(bytes(offset - len(data)))
            data[offset : offset + len(bytes_ or b"")] = bytes_ or b""
        return bytes(data)

    def sync(self):
        self.safe, self.pending = bytearray(self.content(self.pending)), []

    def torn(self, numbers: random.Random) -> bytes:
        """Each sector that was not synced is there or not, whatever the order it was written in."""
        kept = []
        for offset, bytes_ in self.pending:
            if bytes_ is None:
                kept += [(offset, None)] if numbers.random() < 0.5 else []
                continue
            at = 0
            while at < len(bytes_):
                end = min(len(bytes_), (offset + at) // SECTOR * SECTOR + SECTOR - offset)
                if numbers.random() < 0.5:
                    kept.append((offset + at, bytes_[at:end]))
                at = end
        return self.content(kept)


class Disk:
    """Files by inode, and in each directory the safe names and what was done to names since its last fsync. Strict: the fsync of a
    file saves its content, and only that of its directory saves its name. Names are lost from the last backwards, as a journal
    loses them."""

    def __init__(self, root: pathlib.Path):
        self.root, self.files = str(root), {}
        self.safe, self.pending = {self.root: {}}, {self.root: []}

    def apply(self, call: Call):
        parent, _, name = call.path.rpartition("/")
        match call.name:
            case "open":
                self.files[call.inode] = File()
                self.pending[parent].append((name, call.inode))
            case "mkdir":
                self.safe[call.path], self.pending[call.path] = {}, []
                self.pending[parent].append((name, call.path))
            case "write":
                self.files[call.inode].pending.append((call.offset, call.data))
            case "truncate":
                self.files[call.inode].pending.append((call.offset, None))
            case "rename":
                to_parent, _, to_name = call.to.rpartition("/")
                assert to_parent == parent, "names change within a directory only"
                self.pending[parent].append((name, None, to_name, call.inode))
            case "unlink":
                self.pending[parent].append((name, None))
            case "fsync":
                if call.path in self.safe:
                    self.safe[call.path], self.pending[call.path] = self.names(call.path, self.pending[call.path]), []
                else:
                    self.files[call.inode].sync()

    def names(self, directory, changes) -> dict:
        names = dict(self.safe[directory])
        for change in changes:
            for name, target in zip(change[::2], change[1::2]):
                names.pop(name, None)
                if target is not None:
                    names[name] = target
        return names

    def _write_directory(self, directory, to: pathlib.Path, numbers: random.Random | None):
        changes = self.pending[directory]
        kept = changes[: numbers.randrange(len(changes) + 1)] if numbers else []
        for name, target in self.names(directory, kept).items():
            if isinstance(target, str):
                (to / name).mkdir()
                self._write_directory(target, to / name, numbers)
            else:
                file = self.files[target]
                (to / name).write_bytes(file.torn(numbers) if numbers else bytes(file.safe))

    def after_power_cut(self, to: pathlib.Path, numbers: random.Random | None = None):
        """Makes in `to` what is found again: without `numbers` nothing that was not synced, else a part of it."""
        to.mkdir()
        self._write_directory(self.root, to, numbers)
