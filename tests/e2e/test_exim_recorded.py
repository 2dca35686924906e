"""The logs of real Exims (tests/data/exim/live) against what the server that they delivered to answered, recipient by recipient: outcome,
code, enhanced code, reply. record_exim.py made them, with several settings of what is logged.
"""

import collections
import datetime
import pathlib
import re

import pytest

from live_record import read_record

DATA = pathlib.Path(__file__).resolve().parents[1] / "data/exim/live"
# Deliveries that never reach the server.
INSIDE = {"local.test", "refused.test", "loop.test"}
# Through syslog a long line comes in pieces, of which the first is read.
CUT = 500
PUT_OFF = re.compile("retry time not (yet )?reached", re.I)


class Recorded:
    def __init__(self, bouncemill, name: str):
        self.name = name
        self.log, answers = read_record(DATA / name)
        self.answers = [answer for i, answer in enumerate(answers) if not is_unlogged(answer, answers[i + 1 :], self.log)]
        self.deliveries = bouncemill.parse(self.log, "exim")
        self.outward = [d for d in self.deliveries if d["direction"] == "out"]
        # Attempts that reached the server.
        self.attempts = [
            d for d in self.outward
            if d["status"] != "expired" and domain_of(d["recipient"]) not in INSIDE and not PUT_OFF.match(d["reply"] or "")
        ]  # fmt: skip


@pytest.fixture(scope="module", params=["default", "busy", "everything", "syslog"])
def recorded(request, bouncemill) -> Recorded:
    return Recorded(bouncemill, request.param)


def is_unlogged(answer: dict, later: list[dict], log: bytes) -> bool:
    """What Exim says nothing of: a 452 to RCPT, if it asks again in the same connection (RFC 5321, 4.5.3.1.10: too many recipients); and,
    by an error of 4.98, a connection that was closed in place of an answer to DATA, which loses the message."""
    if answer["stage"] == "data" and answer["code"] is None and b" exim 4.98" in log:
        return True
    again = [other for other in later if all(other[key] == answer[key] for key in ("recipient", "sender", "size"))]
    return answer["code"] == 452 and any(other["time"] - answer["time"] < 1 for other in again)


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def own_dsn(reply: str | None) -> str | None:
    """The enhanced code of the reply's first line, if its class agrees with the reply code's."""
    match = re.match(r"(\d)\d\d[ -](\d)(\.\d{1,3}\.\d{1,3})(?: |$)", reply or "")
    return match[2] + match[3] if match and match[1] == match[2] else None


def truth(answer: dict) -> tuple:
    # Bytes that are no UTF-8: the record has one question mark for each.
    reply = answer["reply"] and answer["reply"].strip()[:CUT]
    return lower(answer["recipient"]), answer["sender"], answer["status"], answer["code"], own_dsn(reply), reply


def told(d: dict) -> tuple:
    reply = d["reply"].strip().replace("\ufffd", "?")[:CUT] if d["smtp_code"] else None
    sender = d["sender"]
    if d["recipient"] == "one@cut.test" and sender is None:  # see the orphan below
        sender = "news@sender.test"
    if reply is None:
        assert d["reply"].startswith(("Remote host closed connection", "SMTP timeout after")), d
    return lower(d["recipient"]), sender, d["status"], d["smtp_code"], d["dsn"], reply


def lower(address: str) -> str:
    """Exim sends the domain in lower case, and logs it as it was given."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def test_every_attempt_is_what_the_server_answered(recorded):
    found = collections.Counter(map(told, recorded.attempts))
    said = collections.Counter(map(truth, recorded.answers))
    assert len(recorded.answers) > 350
    assert found - said == collections.Counter(), "in the log, but the server did not say it"
    assert said - found == collections.Counter(), "the server said it, but it is not in the log"


def test_stages_are_those_at_which_the_server_answered(recorded):
    names = {"connect": "CONNECT", "mail": "MAIL", "rcpt": "RCPT", "data": "DATA", "end": "END-OF-MESSAGE"}
    at = {(lower(a["recipient"]), a["reply"]): a["stage"] for a in recorded.answers if a["status"] != "delivered" and a["reply"]}
    checked = 0
    for d in recorded.attempts:
        stage = at.get((lower(d["recipient"]), d["reply"]))
        if stage and d["status"] != "delivered":
            assert d["stage"] == names.get(stage, d["stage"]), d
            assert stage != "ehlo" or d["stage"] == "HELO", d
            checked += 1
    assert checked > 50


def test_times_are_those_of_the_answers(recorded):
    by_recipient = collections.defaultdict(list)
    for answer in recorded.answers:
        by_recipient[lower(answer["recipient"]), answer["status"]].append(answer["time"])
    for d in recorded.attempts:
        time = datetime.datetime.fromisoformat(d["time"]).timestamp()
        near = min(abs(time - at) for at in by_recipient[lower(d["recipient"]), d["status"]])
        assert near < 5, d  # the log has whole seconds; a silent server is given 3


def test_giving_up_is_where_the_last_answer_was_a_deferral_and_has_its_reply(recorded):
    last = {(a["recipient"], a["sender"]): a for a in recorded.answers}
    expired = {(d["recipient"], d["sender"]): d for d in recorded.outward if d["status"] == "expired"}
    reached = {key for key in expired if domain_of(key[0]) not in INSIDE}
    removed = ("one@held.test", "mrm@sender.test")  # by the administrator, who gave up nothing
    assert reached == {key for key, answer in last.items() if answer["status"] == "deferred"} - {removed}
    assert len(reached) > 5 and ("one@held.test", "mg@sender.test") in reached
    for key in reached:
        assert expired[key]["smtp_code"] == last[key]["code"], key
        assert last[key]["reply"] in (None, expired[key]["reply"]), key
    assert expired["one@refused.test", "news@sender.test"]["reply"] == "Connection refused"
    assert expired["away@local.test", "news@sender.test"]["service"] == "address_pipe"


def test_deliveries_inside_are_those_that_were_sent(recorded):
    found = collections.Counter(
        (re.sub(r"\d@", "@", d["recipient"]), d["relay_host"], d["status"]) for d in recorded.outward
        if domain_of(d["recipient"]) in INSIDE and d["status"] in ("delivered", "bounced", "expired")
    )  # fmt: skip
    assert found == {
        ("known@local.test", "local_delivery", "delivered"): 3,
        ("team@local.test", "local_delivery", "delivered"): 1,
        ("nobody@local.test", None, "bounced"): 3,
        ("piped@local.test", "address_pipe", "delivered"): 1,
        ("broken@local.test", None, "bounced"): 1,
        ("away@local.test", None, "expired"): 1,
        ("filed@local.test", None, "delivered"): 1,
        ("kept@local.test", "address_file", "delivered"): 1,
        ("hole@local.test", None, "delivered"): 1,
        ("gone@local.test", None, "bounced"): 1,
        ("resting@local.test", None, "expired"): 1,
        ("inner@local.test", "address_pipe", "delivered"): 1,
        ("one@loop.test", "localhost", "delivered"): 1,
        ("one@loop.test", None, "delivered"): 1,
        ("one@refused.test", None, "expired"): 1,
    }


def test_recipients_behind_aliases_keep_the_address_they_were_sent_to(recorded):
    found = {d["recipient"]: d["orig_recipient"] for d in recorded.outward if d["orig_recipient"]}
    assert found == {
        "m1@ok.test": "team@local.test", "m2@ok.test": "team@local.test", "x@ok.test": "nested@local.test",
        "inner@local.test": "nested@local.test", "wait0@users.test": "waiting@local.test",
    }  # fmt: skip


def test_refusals_by_our_own_server_have_direction_in(recorded):
    inward = [d for d in recorded.deliveries if d["direction"] == "in"]
    assert all(d["status"] == "rejected" for d in inward)
    assert collections.Counter((d["stage"], d["sender"], d["recipient"], d["client_ip"], d["smtp_code"]) for d in inward) == {
        **{("RCPT", sender, f"victim{i}@ok.test", "127.0.0.9", None): 1 for i in range(3) for sender in ("", "spam@elsewhere.test")},
        ("RCPT", "news@sender.test", "one@closed.test", "127.0.0.1", 550): 1,
        ("RCPT", "news@sender.test", "one@later.test", "127.0.0.1", None): 1,
        ("MAIL", "x@banned.test", None, "127.0.0.1", None): 1,
        ("CONNECT", None, None, "127.0.0.66", None): 1,
        ("HELO", None, None, "127.0.0.1", None): 1,
        ("END-OF-MESSAGE", "news@sender.test", None, "127.0.0.1", None): 2,
    }


def test_every_line_is_understood_and_every_delivery_has_its_sender(bouncemill, recorded):
    done = bouncemill.run("parse", "--format", "exim", stdin=recorded.log)
    counts = dict(pair.split("=") for pair in done.stderr.decode().split() if "=" in pair)
    assert {key: value for key, value in counts.items() if key.startswith("unparsed") and value != "0"} == {}
    assert counts["lines"] == str(recorded.log.count(b"\n")) and counts["still_open"] == "0"
    # A delivery by cutthrough stands before its message, and names its sender only when that is asked for.
    assert counts["orphans"] == ("0" if b" F=<news@sender.test> R=" in recorded.log else "1")


def test_fields_that_are_asked_for_are_read(recorded):
    delivered = [d for d in recorded.attempts if d["status"] == "delivered"]
    assert {d["source_ip"] for d in delivered} == ({"127.0.0.1"} if recorded.name in ("busy", "everything") else {None})
    delays = [d["delay_s"] for d in delivered if "cut.test" not in d["recipient"]]
    assert all(0 <= delay < 20 for delay in delays)
    assert any(delay % 1 for delay in delays) == (recorded.name in ("busy", "everything"))
    assert {d["host"] for d in recorded.deliveries} == ({"out1"} if recorded.name == "syslog" else {None})
    assert all(d["message_id"].startswith("<") and d["size"] > 0 for d in delivered if d["sender"] and "cut.test" not in d["recipient"])
    assert {len(d["queue_id"]) for d in delivered} == ({16} if recorded.name in ("default", "busy") else {23})
