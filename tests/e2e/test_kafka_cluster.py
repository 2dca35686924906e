"""The broker that other tests stand on: what is produced can be consumed, and it survives being killed."""

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from kafka_cluster import KafkaCluster


@pytest.fixture(scope="module")
def kafka():
    with KafkaCluster() as cluster:
        yield cluster


def read_all(kafka, topic, partition):
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": "test", "enable.partition.eof": True,
                         "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0)])
    values = []
    while True:
        message = consumer.poll(30)
        assert message is not None, "nothing came for 30 s"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF
            consumer.close()
            return values
        values.append(message.value())


def test_what_is_produced_to_a_partition_is_consumed_from_it_in_order(kafka):
    kafka.create_topic("order", partitions=2)
    sent = [[b"%d of partition %d" % (i, partition) for i in range(1000)] for partition in range(2)]
    for partition in range(2):
        kafka.produce("order", sent[partition], partition=partition)
    assert [read_all(kafka, "order", partition) for partition in range(2)] == sent


def test_null_payloads_and_times_are_kept(kafka):
    kafka.create_topic("null")
    kafka.produce("null", [None, b""], timestamp_ms=1_700_000_000_000)
    assert read_all(kafka, "null", 0) == [None, b""]


def test_killed_and_started_again_has_its_messages(kafka):
    kafka.create_topic("kept")
    kafka.produce("kept", [b"before"])
    kafka.stop()
    kafka.start()
    kafka.produce("kept", [b"after"])
    assert read_all(kafka, "kept", 0) == [b"before", b"after"]
