"""The logs of real mail servers that were recorded (tests/data/FORMAT/live) against what the server that they delivered to answered,
recipient by recipient: outcome, code, enhanced code, reply. record_FORMAT.py made them.
"""

import collections
import datetime
import pathlib
import re

import pytest

from live_record import read_record

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"


class Recorded:
    """A log, its record, and the deliveries that were parsed from the log. `inside` are the domains that never reach the server."""

    def __init__(self, bouncemill, format_name: str, inside: set[str]):
        self.format, self.inside = format_name, inside
        self.log, self.answers = read_record(DATA / format_name / "live")
        self.deliveries = bouncemill.parse(self.log, format_name)

    def outward(self) -> list[dict]:
        return [d for d in self.deliveries if d["direction"] == "out"]

    def attempts(self) -> list[dict]:
        """Those that reached the server."""
        return [d for d in self.outward() if d["status"] != "expired" and domain_of(d["recipient"]) not in self.inside]


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower() if "@" in address else ""


def own_dsn(reply: str | None) -> str | None:
    """The enhanced code of a reply, if its class agrees with the reply code's."""
    match = re.match(r"(\d)\d\d[ -](\d\.\d{1,3}\.\d{1,3})(?: |$)", reply or "")
    return match[2] if match and match[1] == match[2][0] else None


def check_times(recorded: Recorded, late_s: float):
    by_recipient = collections.defaultdict(list)
    for answer in recorded.answers:
        by_recipient[answer["recipient"], answer["status"]].append(answer["time"])
    for delivery in recorded.attempts():
        time = datetime.datetime.fromisoformat(delivery["time"]).replace(year=year_of(recorded)).timestamp()
        assert min(abs(time - at) for at in by_recipient[delivery["recipient"], delivery["status"]]) < late_s, delivery


def year_of(recorded: Recorded) -> int:
    """The log's stamps have no year: what the parser takes for it depends on today."""
    return datetime.datetime.fromtimestamp(recorded.answers[0]["time"], datetime.timezone.utc).year


def check_given_up(recorded: Recorded):
    """Those whose last answer was a deferral, and no others; with the reply of that answer."""
    last = {answer["recipient"]: answer for answer in recorded.answers}
    expired = {d["recipient"]: d for d in recorded.outward() if d["status"] == "expired"}
    reached = {recipient for recipient in expired if domain_of(recipient) not in recorded.inside}
    assert reached == {recipient for recipient, answer in last.items() if answer["status"] == "deferred"}
    assert len(reached) > 3
    for recipient in reached:
        assert expired[recipient]["smtp_code"] == last[recipient]["code"]
    return expired


# ---- Sendmail -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sendmail(bouncemill) -> Recorded:
    inside = {"local.test", "refused.test", "nohost.test", "unknown.invalid", "lmtp.test", "mail.test", "error.test", ""}
    return Recorded(bouncemill, "sendmail", inside)


def sendmail_reply(answer: dict) -> str | None:
    """As Sendmail logs it: of an acceptance without the codes, of a refusal the first line, with octal escapes."""
    reply = answer["reply"]
    if reply is None:
        return None
    if answer["status"] == "delivered":
        return reply.removeprefix("250 2.0.0 ")
    if reply[3] == "-":
        reply = reply[:3] + " " + re.split(r" \d\d\d[ -]", reply)[0][4:]
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in reply.encode())


def sendmail_facts(d: dict) -> tuple:
    reply = d["reply"]
    if d["status"] != "delivered" and d["smtp_code"] is None:
        reply = None  # Sendmail's own words
    elif d["smtp_code"]:
        reply = reply[:3] + " " + reply[4:]  # the hyphen of a first line of several is kept or not, by command
    if "..." in (reply or "") and len(reply) > 150:
        reply = "long"  # cut in the middle
    return d["recipient"], d["sender"], d["status"], d["smtp_code"], reply


def sendmail_truth(answer: dict) -> tuple:
    code = answer["code"] if answer["status"] != "delivered" else None
    reply = sendmail_reply(answer)
    reply = "long" if reply and len(reply) > 300 else reply
    if answer["reply"] and "latin" in answer["recipient"]:
        reply = "550 5.1.1 Empf\\344nger unbekannt"
    return answer["recipient"], answer["sender"], answer["status"], code, reply


def test_sendmail_attempts_are_what_the_server_answered(sendmail):
    found = collections.Counter(map(sendmail_facts, sendmail.attempts()))
    truth = collections.Counter(map(sendmail_truth, sendmail.answers))
    assert len(sendmail.answers) > 400
    assert found - truth == collections.Counter(), "in the log, but the server did not say it"
    assert truth - found == collections.Counter(), "the server said it, but it is not in the log"


def test_sendmail_enhanced_codes_are_those_of_the_replies(sendmail):
    checked = 0
    for d in sendmail.attempts():
        if d["smtp_code"] and (own := own_dsn(d["reply"])):
            assert d["dsn"] == own, d
            checked += 1
        assert d["dsn"][0] == {"delivered": "2", "deferred": "4", "bounced": "5"}[d["status"]], d
    assert checked > 50


def test_sendmail_times_are_those_of_the_answers(sendmail):
    check_times(sendmail, late_s=7)


def test_sendmail_gives_up_where_the_last_answer_was_a_deferral(sendmail):
    expired = check_given_up(sendmail)
    assert expired["one@refused.test"]["reply"] == "Connection refused by mx.refused.test."
    assert expired["\"|/bin/sh -c 'exit 75'\""]["orig_recipient"] == "delayer@local.test"


def test_sendmail_deliveries_that_reach_no_server_are_those_that_were_sent(sendmail):
    found = collections.Counter(
        (d["service"], d["recipient"], d["status"]) for d in sendmail.outward()
        if domain_of(d["recipient"]) in sendmail.inside - {"lmtp.test", "mail.test"} and d["status"] not in ("deferred", "expired")
    )  # fmt: skip
    assert found.pop(("local", "root", "delivered")) > 5  # notifications that nobody takes
    assert found == {
        ("prog", "|/bin/true", "delivered"): 2,
        ("prog", "\"|/bin/sh -c 'echo no such mailbox; exit 67'\"", "bounced"): 1,
        ("*file*", "/srv/mail/filed", "bounced"): 1,
        ("local", "root@local.test", "delivered"): 2,
        ("local", "nobody@local.test", "delivered"): 1,
        ("esmtp", "one@nohost.test", "bounced"): 1,
        ("esmtp", "one@unknown.invalid", "bounced"): 1,
        ("relay", "nosuch@local.test", "bounced"): 1,
    }


def test_sendmail_refusals_have_direction_in_and_are_counted_once(sendmail):
    inward = [d for d in sendmail.deliveries if d["direction"] == "in"]
    assert all(d["status"] == "rejected" for d in inward)
    assert collections.Counter((d["stage"], d["sender"], d["recipient"], d["smtp_code"]) for d in inward) == {
        ("RCPT", None, "x@error.test", None): 1,
        ("RCPT", None, "nosuch@local.test", None): 3,
        ("RCPT", None, "closed@local.test", None): 1,
        ("RCPT", None, "u1@ok.test", 550): 1,
        ("RCPT", None, "u1@ok.test", 450): 1,
        ("RCPT", None, "victim0@ok.test", 550): 1,
        ("RCPT", None, "victim1@ok.test", 550): 1,
        ("RCPT", None, "root@local.test", 550): 1,
        ("RCPT", None, "filtered@ok.test", 450): 1,
        ("MAIL", "x@milter.test", None, 550): 1,
        ("DATA", None, None, 550): 1,
        ("END-OF-MESSAGE", "y@milter.test", "u1@ok.test", None): 1,
        ("END-OF-MESSAGE", "x@at.eom.test", "u1@ok.test", None): 1,
        ("END-OF-MESSAGE", "x@at.eom.test", "u2@ok.test", None): 1,
        ("END-OF-MESSAGE", "big@sender.test", "u1@ok.test", None): 1,
        ("END-OF-MESSAGE", "big@sender.test", "u2@ok.test", None): 1,
    }


def test_sendmail_lines_are_all_understood_and_deliveries_have_their_senders(bouncemill, sendmail):
    done = bouncemill.run("parse", "--format", "sendmail", stdin=sendmail.log)
    counts = dict(pair.split("=") for pair in done.stderr.decode().split() if "=" in pair)
    assert {key: value for key, value in counts.items() if key.startswith("unparsed") and value != "0"} == {}
    assert counts["orphans"] == "0" and counts["lines"] == str(sendmail.log.count(b"\n"))
    assert int(counts["still_open"]) < 25  # what came out of aliases, and clients that went away


# ---- OpenSMTPD ----------------------------------------------------------------------------------------------------------------

# Their servers refuse or drop the conversation before a recipient is named: OpenSMTPD tries again, and logs for the recipient no
# more than "Network error on destination MXs".
UNNAMED = {"banner4.test", "banner5.test", "ehlo4.test", "ehlo5.test", "dropehlo.test", "dropconnect.test"}


@pytest.fixture(scope="module")
def opensmtpd(bouncemill) -> Recorded:
    return Recorded(bouncemill, "opensmtpd", {"local.test", "refused.test", "unknown.invalid", "lmtp.test"})


def one_line(reply: str) -> str:
    """Lines of a reply are joined by OpenSMTPD with a blank or without one, by command; the code of the first stays."""
    head, *rest = re.split(r" \d\d\d[ -](?:\d\.\d\.\d )?", reply)
    return "".join([head[:3], " ", head[4:], *rest]).replace(" ", "") if rest else reply


def opensmtpd_facts(d: dict) -> tuple:
    reply = d["reply"]
    if "lines@" in d["recipient"] or "end5" in d["recipient"]:
        reply = (reply[:3] + reply[4:]).replace(" ", "")
    return d["recipient"], d["sender"], d["status"], d["smtp_code"], reply


def opensmtpd_truth(answer: dict) -> tuple:
    reply = answer["reply"]
    if "latin1@" in answer["recipient"]:
        reply = "550 5.1.1 Empf\ufffdnger unbekannt"
    return answer["recipient"], answer["sender"], answer["status"], answer["code"], one_line(reply)


def test_opensmtpd_replies_are_what_the_server_answered(opensmtpd):
    named = [d for d in opensmtpd.attempts() if domain_of(d["recipient"]) not in UNNAMED or d["status"] == "delivered"]
    found = collections.Counter(opensmtpd_facts(d) for d in named if d["smtp_code"])
    truth = collections.Counter(
        opensmtpd_truth(answer) for answer in opensmtpd.answers
        if answer["code"] and (domain_of(answer["recipient"]) not in UNNAMED or answer["status"] == "delivered")
    )  # fmt: skip
    assert truth.total() > 350
    assert found - truth == collections.Counter(), "in the log, but the server did not say it"
    assert truth - found == collections.Counter(), "the server said it, but it is not in the log"


def test_opensmtpd_attempts_without_a_reply_are_deferrals_in_its_own_words(opensmtpd):
    own = [d for d in opensmtpd.attempts() if not d["smtp_code"]]
    assert {d["status"] for d in own} == {"deferred"}
    assert {d["reply"] for d in own} <= {
        "Connection closed unexpectedly",
        "Network error on destination MXs",
        "Too many consecutive errors, closing connection",
    }
    dropped = collections.Counter(answer["recipient"] for answer in opensmtpd.answers if not answer["code"])
    told = collections.Counter(d["recipient"] for d in own)
    unnamed = {recipient for recipient in dropped if domain_of(recipient) in UNNAMED}
    assert all(told[recipient] >= count for recipient, count in dropped.items() if recipient not in unnamed) and len(dropped) > 10
    assert unnamed <= set(told)


def test_opensmtpd_deliveries_tell_source_size_and_enhanced_code(opensmtpd):
    for d in opensmtpd.attempts():
        assert d["source_ip"] == "127.0.0.1" or d["reply"] == "Network error on destination MXs", d
        assert d["dsn"] == own_dsn(d["reply"]), d
        if d["orig_recipient"] is None:
            assert d["size"] > 0, d
    aliased = {(d["recipient"], d["orig_recipient"]) for d in opensmtpd.deliveries if d["orig_recipient"]}
    assert aliased == {(to, f"{alias}@local.test") for to in ("m1@ok.test", "m2@ok.test", "bad0@users.test") for alias in ("team", "all")}


def test_opensmtpd_times_are_those_of_the_answers(opensmtpd):
    recorded = [d for d in opensmtpd.deliveries if d["smtp_code"]]
    assert recorded
    by_recipient = collections.defaultdict(list)
    for answer in opensmtpd.answers:
        by_recipient[answer["recipient"]].append(answer["time"])
    for d in opensmtpd.attempts():
        if d["smtp_code"]:
            time = datetime.datetime.fromisoformat(d["time"]).replace(year=year_of(opensmtpd)).timestamp()
            assert min(abs(time - at) for at in by_recipient[d["recipient"]]) < 2, d


def test_opensmtpd_gives_up_where_no_attempt_was_final(opensmtpd):
    last = {d["recipient"]: d for d in opensmtpd.outward() if d["status"] != "expired"}
    expired = {d["recipient"]: d for d in opensmtpd.outward() if d["status"] == "expired"}
    assert set(expired) == {recipient for recipient, d in last.items() if d["status"] == "deferred"}
    assert len(expired) > 10
    for recipient, d in expired.items():
        assert (d["reply"], d["smtp_code"], d["dsn"]) == tuple(last[recipient][key] for key in ("reply", "smtp_code", "dsn"))


def test_opensmtpd_deliveries_inside_are_those_that_were_sent(opensmtpd):
    found = collections.Counter(
        (d["service"], d["recipient"], d["status"]) for d in opensmtpd.outward()
        if domain_of(d["recipient"]) == "local.test" and d["status"] != "deferred"
    )  # fmt: skip
    assert found == {
        ("mda", "daemon@local.test", "delivered"): 1,
        ("mda", "all@local.test", "delivered"): 1,
        ("mda", "games@local.test", "bounced"): 1,
        ("mda", "news@local.test", "expired"): 1,
    }


def test_opensmtpd_refusals_have_direction_in_and_their_client(opensmtpd):
    inward = [d for d in opensmtpd.deliveries if d["direction"] == "in"]
    assert collections.Counter((d["stage"], d["sender"], d["recipient"], d["smtp_code"], d["client_ip"]) for d in inward) == {
        ("RCPT", None, "nosuch@local.test", 550, "127.0.0.1"): 1,
        ("RCPT", None, "later@ok.test", 450, "127.0.0.1"): 1,
        ("MAIL", "x@banned.test", None, 550, "127.0.0.1"): 1,
        ("RCPT", None, "victim0@ok.test", 550, "127.0.0.9"): 1,
        ("RCPT", None, "victim1@ok.test", 550, "127.0.0.9"): 1,
    }


def test_opensmtpd_lines_are_all_understood(bouncemill, opensmtpd):
    done = bouncemill.run("parse", "--format", "opensmtpd", stdin=opensmtpd.log)
    counts = dict(pair.split("=") for pair in done.stderr.decode("utf-8", "replace").split() if "=" in pair)
    assert {key: value for key, value in counts.items() if key.startswith("unparsed") and value != "0"} == {}
    assert counts["orphans"] == "0" and int(counts["still_open"]) <= 3
