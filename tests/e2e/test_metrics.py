"""What a run tells over HTTP while it works, read as a scraper does."""

import socket

import pytest

from listening_run import Run, get, scrape

STAMP = "2026-11-24T08:15:07Z mx1 postfix"
MESSAGE = [
    f"{STAMP}/qmgr[9]: {{id}}: from=<a@b.example>, size=900, nrcpt=1 (queue active)",
    f"{STAMP}/smtp[9]: {{id}}: to=<c@d.example>, relay=mx.d.example[192.0.2.1]:25, delay=1, delays=1/0/0/0, dsn=2.0.0, "
    "status=sent (250 ok)",
    f"{STAMP}/qmgr[9]: {{id}}: removed",
    "nonsense",
]


def message_lines(number: int) -> list[bytes]:
    return [line.format(id=f"4bXyZ{number:06d}").encode() for line in MESSAGE]


@pytest.fixture
def start(bouncemill):
    runs = []

    def start_run(*args) -> Run:
        runs.append(Run(bouncemill, *args))
        return runs[-1]

    yield start_run
    for run in runs:
        run.process.kill()
        run.process.wait()


def test_a_followed_file_is_counted_while_it_grows(bouncemill, start, tmp_path):
    log = tmp_path / "mail \"log\".log"
    log.write_bytes(b"")
    letters = tmp_path / "letters"
    run = start("--store", tmp_path / "store", "--follow", "--flush-interval", "0.2", "--dead-letter", letters, log)
    assert get(run.port, "/healthz") == (200, "ok\n")
    for number in range(3):
        with open(log, "ab") as out:
            out.write(b"\n".join(message_lines(number)) + b"\n")
        found = run.wait_for(lambda found: found.one("bouncemill_lines_read_total") == 4 * number + 4)
        assert found.sum("bouncemill_lines_total") == 4 * number + 4
        assert found.one("bouncemill_lines_total", 'result="unparsed",kind="header"') == number + 1
        assert found.one("bouncemill_deliveries_total", 'status="delivered"') == number + 1
        assert found.sum("bouncemill_deliveries_total") == number + 1
    input_label = 'input="' + str(log).replace('"', '\\"') + '"'
    size = log.stat().st_size
    found = run.wait_for(lambda found: found.one("bouncemill_input_committed_position", input_label) == size)
    assert found.one("bouncemill_input_read_position", input_label) == size
    assert found.one("bouncemill_flushes_total") >= 1 and found.one("bouncemill_flush_commit_seconds_total") > 0
    assert found.one("bouncemill_dead_letters_total") == 3 == len(letters.read_text().splitlines())
    assert found.one("bouncemill_open_messages") == 0
    assert list(found["bouncemill_build_info"]) == [f'version="{bouncemill.lines("--version")[0].split()[-1]}"']
    assert b"event=done" in run.end()


def test_a_topic_has_positions_and_a_lag(kafka, start, tmp_path):
    kafka.create_topic("measured", partitions=2)
    kafka.produce("measured", [line for number in range(50) for line in message_lines(number)], partition=1)
    run = start("--store", tmp_path / "store", "--flush-interval", "0.2", f"kafka://{kafka.brokers}/measured")
    found = run.wait_for(lambda found: found.one("bouncemill_input_committed_position", 'input="measured/1"') == 200)
    assert found.one("bouncemill_lines_read_total") == 200
    assert found.one("bouncemill_input_read_position", 'input="measured/1"') == 200
    run.wait_for(lambda found: found.get("bouncemill_input_lag_messages", {}).get('input="measured/1"') == 0)
    kafka.produce("measured", message_lines(99), partition=0)
    found = run.wait_for(lambda found: found.one("bouncemill_lines_read_total") == 204)
    assert found.sum("bouncemill_deliveries_total") == 51
    run.end()


def test_other_paths_and_methods_are_refused(start, tmp_path):
    log = tmp_path / "mail.log"
    log.write_bytes(b"nonsense\n")
    run = start("--store", tmp_path / "store", "--follow", log)
    assert get(run.port, "/")[0] == 404 and get(run.port, "/metrics/..")[0] == 404
    assert get(run.port, "/metrics", "DELETE")[0] == 405
    assert get(run.port, "/metrics", "HEAD") == (200, "")
    with socket.create_connection(("127.0.0.1", run.port)) as connection:
        connection.sendall(b"\x00\xff nonsense\r\n\r\n")
        connection.recv(100)
    assert get(run.port, "/healthz")[0] == 200


def test_it_is_not_ready_before_its_brokers_answer(start, tmp_path):
    run = start("--store", tmp_path / "store", "kafka://127.0.0.1:1/mail")
    assert get(run.port, "/readyz")[0] == 503
    assert get(run.port, "/healthz")[0] == 200
    assert get(run.port, "/metrics") == (200, "")


def test_a_port_that_is_taken_is_said(bouncemill, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = bouncemill.run("run", "--store", tmp_path / "store", "--listen", port, "-", code=3)
    assert b"Address already in use" in done.stderr and str(port).encode() in done.stderr


def test_the_share_of_unclassified_refusals_is_a_metric(bouncemill, start, tmp_path):
    said = ["250 ok", "550 5.1.1 User unknown", "451 blorp grumble", "452 4.2.2 mailbox is full", "451 zorch"]
    status = {"2": "sent", "4": "deferred", "5": "bounced"}
    log = tmp_path / "mail.log"
    log.write_text(
        "".join(
            f"{STAMP}/smtp[9]: 4bXyZ00000{i}: to=<c@d.example>, relay=mx.d.example[192.0.2.1]:25, delay=1, delays=1/0/0/0, "
            f"dsn={reply[0]}.0.0, status={status[reply[0]]} (host mx.d.example[192.0.2.1] said: {reply} (in reply to RCPT TO command))\n"
            for i, reply in enumerate(said)
        )
    )
    run = start("--follow", "--flush-interval", "0.1", "--store", tmp_path / "store", log)
    found = run.wait_for(lambda metrics: metrics.one("bouncemill_lines_total", 'result="delivery",kind=""') == 5)
    assert found.one("bouncemill_replies_unclassified_total") == 2
    assert found.one("bouncemill_unclassified_ratio") == 0.5
