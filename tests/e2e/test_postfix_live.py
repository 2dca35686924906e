"""A real Postfix's log against the record of the server that answered it, recipient by recipient."""

import collections
import datetime
import json

import pytest

import live_traffic
from smtp_server import Answer, Reply

# Deliveries that never reach our server.
INSIDE = {
    "local.test",
    "virtual.test",
    "taker.test",
    "refuser.test",
    "discard.test",
    "error.test",
    "delayer.test",
    "retry.test",
    "refused.test",
}


@pytest.fixture(scope="module", params=["live_long", "live_short"])
def live(request) -> live_traffic.LiveRun:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def deliveries(bouncemill, live) -> list[dict]:
    return bouncemill.parse(live.log)


def domain_of(address: str | None) -> str:
    return (address or "").rpartition("@")[2].lower()


def to_server(deliveries):
    """Attempts that reached our server."""
    return [
        d for d in deliveries
        if d["direction"] == "out" and d["status"] != "expired" and domain_of(d["recipient"]) not in INSIDE
    ]  # fmt: skip


def expected_dsn(answer: Answer) -> str:
    """As Postfix logs it: the code of the reply's last line where its class agrees with the reply's, else the class alone."""
    if not isinstance(answer.behaviour, Reply):
        return "4.4.2"
    text = answer.behaviour.lines()[-1].decode("utf-8", "replace")
    own = text[4:].split(" ")[0]
    is_code = len(own.split(".")) == 3 and all(part.isdigit() for part in own.split("."))
    return own if is_code and own[0] == text[0] else f"{text[0]}.0.0"


def expected(answer: Answer, live) -> tuple:
    reply = answer.behaviour.as_logged().strip() if isinstance(answer.behaviour, Reply) else None
    code = answer.behaviour.code if reply else None
    size = answer.size if answer.recipient not in live.sole else None
    return (answer.recipient, answer.sender, answer.status, code, expected_dsn(answer), size, reply)


def told(delivery: dict, live) -> tuple:
    # Without a reply Postfix words the loss of the connection itself.
    reply = delivery["reply"].strip() if delivery["smtp_code"] else None
    if reply is None:
        assert delivery["reply"].startswith(("lost connection with ", "conversation with ")), delivery
    assert delivery["size"] > 0, delivery
    size = delivery["size"] if delivery["recipient"] not in live.sole else None
    return (
        delivery["recipient"], delivery["sender"], delivery["status"], delivery["smtp_code"], delivery["dsn"], size, reply,
    )  # fmt: skip


def test_every_attempt_is_what_the_server_answered(live, deliveries):
    found = collections.Counter(told(delivery, live) for delivery in to_server(deliveries))
    truth = collections.Counter(expected(answer, live) for answer in live.answers)
    assert len(live.answers) > 300
    assert found - truth == collections.Counter(), "in the log, but the server did not say it"
    assert truth - found == collections.Counter(), "the server said it, but it is not in the log"


def test_times_are_those_of_the_answers(live, deliveries):
    by_recipient = collections.defaultdict(list)
    for answer in live.answers:
        by_recipient[answer.recipient, answer.status].append(answer.time)
    for delivery in to_server(deliveries):
        time = datetime.datetime.fromisoformat(delivery["time"]).timestamp()
        near = min(abs(time - at) for at in by_recipient[delivery["recipient"], delivery["status"]])
        assert near < 7, delivery  # the log has whole seconds; a silent server is given 5


def test_recipients_given_up_are_those_whose_last_answer_was_a_deferral(live, deliveries):
    def message(recipient, sender, size):
        return recipient, sender, None if recipient in live.sole else size

    last = {message(answer.recipient, answer.sender, answer.size): answer for answer in live.answers}
    given_up = {
        message(d["recipient"], d["sender"], d["size"]): d for d in deliveries
        if d["status"] == "expired" and domain_of(d["recipient"]) not in INSIDE
    }  # fmt: skip
    assert sorted(given_up) == sorted(key for key, answer in last.items() if answer.status == "deferred")
    assert len(given_up) > 3
    for key, delivery in given_up.items():
        if isinstance(last[key].behaviour, Reply):
            assert delivery["reply"] == last[key].behaviour.as_logged()


def test_deliveries_inside_are_those_that_were_sent(live, deliveries):
    found = collections.Counter(
        (domain_of(d["recipient"]), d["status"]) for d in deliveries
        if d["direction"] == "out" and domain_of(d["recipient"]) in INSIDE and d["status"] != "deferred"
    )  # fmt: skip
    assert found == live.local
    refused = [d for d in deliveries if d["recipient"] == live.refused_recipient]
    assert [d["status"] for d in refused] == ["deferred"] * (len(refused) - 1) + ["expired"] and len(refused) > 1
    assert all(d["reply"].endswith("Connection refused") for d in refused)


def test_refusals_by_our_own_server_have_direction_in(live, deliveries):
    inward = [d for d in deliveries if d["direction"] == "in"]
    assert all(d["status"] == "rejected" for d in inward)
    assert collections.Counter((d["sender"], d["recipient"], d["smtp_code"]) for d in inward) == live.rejects


def test_recipients_behind_aliases_keep_the_address_they_were_sent_to(live, deliveries):
    found = {d["recipient"]: d["orig_recipient"] for d in deliveries if d["orig_recipient"]}
    assert found == live.orig_to


def test_every_line_is_understood_and_every_delivery_has_its_sender(bouncemill, live):
    counts = dict(pair.split("=") for pair in bouncemill.run("parse", stdin=live.log).stderr.decode().split() if "=" in pair)
    assert {key: value for key, value in counts.items() if key.startswith("unparsed") and value != "0"} == {}
    assert counts["orphans"] == "0"
    assert counts["lines"] == str(live.log.count(b"\n"))


@pytest.fixture(scope="module")
def store(bouncemill, live, tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "store"
    log = path.parent / "mail.log"
    log.write_bytes(live.log)
    bouncemill.run("run", "--store", path, log)
    return path


def test_the_report_has_the_numbers_of_the_server_for_each_domain(bouncemill, live, store):
    truth = collections.defaultdict(collections.Counter)
    for answer in live.answers:
        truth[domain_of(answer.recipient)][answer.status] += 1
    entries = {entry["key"]: entry for entry in bouncemill.report(store)["recipient_domain"]}
    for domain, counts in truth.items():
        entry = entries[domain]
        assert {status: entry[status] for status in ("delivered", "deferred", "bounced")} == {
            status: counts[status] for status in ("delivered", "deferred", "bounced")
        }, domain
        assert entry["attempts"] == counts.total()
    for (domain, status), count in live.local.items():
        assert entries[domain][status] == count, (domain, status)


def test_the_report_has_the_senders_of_the_servers_record(bouncemill, live, store, deliveries):
    attempts = [d for d in deliveries if d["direction"] == "out" and d["status"] in ("delivered", "deferred", "bounced")]
    inside = collections.Counter(domain_of(d["sender"]) for d in attempts if domain_of(d["recipient"]) in INSIDE)
    truth = collections.Counter(domain_of(answer.sender) for answer in live.answers) + inside
    entries = {entry["key"]: entry["attempts"] for entry in bouncemill.report(store)["sender_domain"] if entry["attempts"]}
    assert entries == dict(truth)
    assert entries[""] > 10  # notifications


def test_traffic_sums_up_to_the_servers_record(bouncemill, live, store):
    rows = [json.loads(line) for line in bouncemill.dump("traffic", store)]
    found = collections.Counter()
    for row in rows:
        if row["direction"] == "out" and row["status"] != "expired" and row["recipient_domain"] not in INSIDE:
            found[row["recipient_domain"], row["status"]] += row["count"]
    assert found == collections.Counter((domain_of(answer.recipient), answer.status) for answer in live.answers)
    assert sum(row["count"] for row in rows if row["direction"] == "in") == live.rejects.total()
