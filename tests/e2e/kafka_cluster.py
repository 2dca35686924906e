"""A real Kafka broker for tests: one node in KRaft mode on free loopback ports, started in a few seconds, killed at the end.

    with KafkaCluster() as kafka:
        kafka.create_topic("maillog", partitions=3)
        kafka.produce("maillog", [b"line 1", b"line 2"], partition=0)
        run("kafka://%s/maillog" % kafka.brokers)

Needs java and Maven. The jars (kafka/pom.xml) are copied once to a cache: $BOUNCEMILL_KAFKA_JARS, or bouncemill-tests/ in
$XDG_CACHE_HOME. The broker's data and logs live in a temporary directory and are removed with it.
"""

import fcntl
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = pathlib.Path(__file__).resolve().parent
POM = HERE / "kafka" / "pom.xml"
START_SECONDS = 60

LOG4J = """\
Configuration:
  status: error
  Appenders:
    Console: {name: out, PatternLayout: {pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: warn, AppenderRef: {ref: out}}
"""

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=100
"""


def jars() -> pathlib.Path:
    """The directory of the broker's jars; fetched by Maven when it is not there yet."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    target = pathlib.Path(os.environ.get("BOUNCEMILL_KAFKA_JARS") or pathlib.Path(cache) / "bouncemill-tests" / "kafka-4.1.1")
    target.mkdir(parents=True, exist_ok=True)
    with open(target / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / ".complete").exists():
            subprocess.run(
                ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime",
                 f"-DoutputDirectory={target}"],
                check=True)
            (target / ".complete").touch()
    return target


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class KafkaCluster:
    """`brokers` is what clients connect to. stop() and start() again keep the port and the data."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bouncemill-kafka-"))
        self.broker_port, controller_port = free_ports(2)
        self.brokers = f"127.0.0.1:{self.broker_port}"
        self.process = None
        self.properties = self.dir / "server.properties"
        self.properties.write_text(
            PROPERTIES.format(broker=self.broker_port, controller=controller_port, data=self.dir / "data"))
        (self.dir / "log4j2.yaml").write_text(LOG4J)
        self._java("kafka.tools.StorageTool", "format", "--standalone", "-t", uuid.uuid4().hex[:22], "-c", str(self.properties))

    def _command(self, main_class, *arguments):
        return ["java", "-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={self.dir}/log4j2.yaml",
                "-cp", f"{jars()}/*", main_class, *arguments]

    def _java(self, main_class, *arguments):
        done = subprocess.run(self._command(main_class, *arguments), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{main_class}: {done.stdout}{done.stderr}")

    def start(self):
        with open(self.dir / "broker.log", "ab") as log:
            self.process = subprocess.Popen(self._command("kafka.Kafka", str(self.properties)), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                # Quiet: that nobody listens yet is no news.
                AdminClient({"bootstrap.servers": self.brokers, "log_level": 0}).list_topics(timeout=1)
                return self
            except KafkaException:
                time.sleep(0.1)
        log_text = (self.dir / "broker.log").read_text()[-4000:]
        self.stop()
        raise RuntimeError(f"Kafka did not start:\n{log_text}")

    def stop(self, with_signal=signal.SIGKILL):
        """Ends the broker; its data stays until close()."""
        if self.process:
            self.process.send_signal(with_signal)
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.brokers})

    def create_topic(self, name, partitions=1, config=None):
        """Returns when the topic is made and can be written to."""
        admin = self.admin()
        admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(30)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            topic = admin.list_topics(name, timeout=5).topics[name]
            if not topic.error and len(topic.partitions) == partitions:
                return
            time.sleep(0.1)
        raise RuntimeError(f"topic {name} is not there after 30 s")

    def produce(self, topic, messages, partition=0, timestamp_ms=None, **properties):
        """Sends messages (bytes, or None for a null payload) in order and waits until all are written."""
        failures = []
        producer = Producer({"bootstrap.servers": self.brokers, "enable.idempotence": True, "linger.ms": 5, **properties})
        more = {"timestamp": timestamp_ms} if timestamp_ms is not None else {}
        for message in messages:
            while True:
                try:
                    producer.produce(topic, message, partition=partition,
                                     on_delivery=lambda error, _: error and failures.append(error), **more)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        producer.flush(60)
        if failures or len(producer):
            raise RuntimeError(f"not written: {failures[:3]}, {len(producer)} still waiting")
