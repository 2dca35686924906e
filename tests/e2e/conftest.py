"""What all end-to-end tests share: the built program, logs, and a Kafka broker.

$BOUNCEMILL names the program (default: build/release/bouncemill), $BOUNCEMILL_GENERATOR the generator of logs.
"""

import dataclasses
import json
import os
import pathlib
import subprocess

import pytest

import live_traffic
import postfix_instance
from kafka_cluster import KafkaCluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATASETS = ["traffic", "relays", "replies", "senders"]


@dataclasses.dataclass
class Program:
    """The program under test. Everything it is asked to do ends within its time limit."""

    path: pathlib.Path

    def start(self, *args, **more) -> subprocess.Popen:
        return subprocess.Popen([self.path, *map(str, args)], **more)

    def run(self, *args, stdin: bytes = b"", code: int | None = 0, timeout_s=120, **more) -> subprocess.CompletedProcess:
        """Runs to the end; fails when the exit code is not `code` (None: any). stdout and stderr are bytes."""
        done = subprocess.run([self.path, *map(str, args)], input=stdin, capture_output=True, timeout=timeout_s, **more)
        if code is not None:
            shown = " ".join(map(str, args))
            assert done.returncode == code, (
                f"`bouncemill {shown}` exits with {done.returncode}, not {code}:\n{done.stderr.decode(errors='replace')}"
            )
        return done

    def lines(self, *args, **more) -> list[str]:
        return self.run(*args, **more).stdout.decode("utf-8").splitlines()

    def parse(self, log: bytes, format_name="postfix") -> list[dict]:
        return [json.loads(line) for line in self.lines("parse", "--format", format_name, stdin=log)]

    def report(self, store) -> dict:
        return json.loads(self.run("report", "--store", store, "--json").stdout)

    def dump(self, dataset, store) -> list[str]:
        return self.lines("dump", dataset, "--store", store, "--format", "ndjson")

    def contents(self, store) -> dict:
        """Everything that a store says, to be compared with another store's."""
        return {"report": self.report(store), **{dataset: self.dump(dataset, store) for dataset in DATASETS}}


@pytest.fixture(scope="session")
def bouncemill() -> Program:
    path = pathlib.Path(os.environ.get("BOUNCEMILL", ROOT / "build/release/bouncemill"))
    assert path.exists(), f"{path} is not built"
    return Program(path)


@pytest.fixture(scope="session")
def generate(tmp_path_factory):
    """generate(bytes, seed) gives the path of a generated log; the same arguments give the same file."""
    generator = os.environ.get("BOUNCEMILL_GENERATOR", ROOT / "build/release/bench/generate_postfix")
    made = {}

    def make(size: int, seed: int) -> pathlib.Path:
        if (size, seed) not in made:
            path = tmp_path_factory.mktemp("generated") / f"{size}-{seed}.log"
            with open(path, "wb") as out:
                subprocess.run([generator, "--bytes", str(size), "--seed", str(seed), "--domains", "3000"], stdout=out, check=True)
            made[size, seed] = path
        return made[size, seed]

    return make


def _live(**more) -> live_traffic.LiveRun:
    if not postfix_instance.is_available():
        pytest.skip("needs root and the package postfix")
    return live_traffic.run_live(**more)


@pytest.fixture(scope="session")
def live_long() -> live_traffic.LiveRun:
    """Traffic of a Postfix with long queue ids."""
    return _live(scale=2, seed=1)


@pytest.fixture(scope="session")
def live_short() -> live_traffic.LiveRun:
    """Traffic of a Postfix with short queue ids, which it uses again and again, and with a name of its own."""
    return _live(syslog_name="mx-out", has_long_queue_ids=False, seed=2)


@pytest.fixture(scope="session")
def kafka():
    with KafkaCluster() as cluster:
        yield cluster
