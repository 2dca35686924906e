"""A real Haraka's log against what the server that it delivered to answered (record_haraka.py made both).

Haraka does not say what it was told in place of an answer ("Tried all MXs"), gives the last deferral and the end of its tries in one line, leaves
out the code of what was taken, and asks nobody when there is no server.
"""

import json
import os
import pathlib
import subprocess

from live_record import read_record

LIVE = pathlib.Path(__file__).resolve().parents[1] / "data/haraka/live"
PROGRAM = os.environ.get("BOUNCEMILL", "build/release/bouncemill")


def deliveries() -> list[dict]:
    run = subprocess.run([PROGRAM, "parse", "-f", "haraka", LIVE / "mail.log"], check=True, capture_output=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def is_asked(delivery: dict) -> bool:
    return not delivery["reply"].startswith("No MX for ")


def test_every_answer_is_a_delivery_of_its_recipient():
    _, answers = read_record(LIVE)
    told = sorted((answer["recipient"], answer["status"], answer["sender"]) for answer in answers)
    read = []
    for delivery in filter(is_asked, deliveries()):
        # The third attempt for "never" and "drop" is in the line that gives them up; "full" is told one by one before.
        is_attempt = delivery["status"] != "expired" or not delivery["recipient"].startswith("full@")
        status = "deferred" if delivery["status"] == "expired" else delivery["status"]
        if is_attempt:
            read.append((delivery["recipient"], status, delivery["sender"]))
    # Haraka logs a refusal of MAIL as it logs one of RCPT; the server of the tests hears of no recipient then.
    unheard = {("ann@sender.test", "bounced", "bounce@shop.test"), ("ann@busy.test", "deferred", "bounce@shop.test")}
    assert sorted(set(read) - set(told)) == sorted(unheard)
    assert sorted(row for row in read if row not in unheard) == told


def test_codes_are_those_that_were_answered():
    _, answers = read_record(LIVE)
    told = {(answer["recipient"], answer["code"]) for answer in answers if answer["status"] != "delivered"}
    read = {(row["recipient"], row["smtp_code"]) for row in deliveries() if row["status"] != "delivered" and is_asked(row)}
    assert read - told == {("ann@sender.test", 553), ("ann@busy.test", 451)}
    assert told <= read


def test_who_is_given_up_is_expired_with_the_last_reply():
    expired = sorted((row["recipient"], row["reply"]) for row in deliveries() if row["status"] == "expired")
    assert expired == [
        ("ann@drop.test", "Tried all MXs"),
        ("ann@never.test", "451 4.7.1 never"),
        ("full@users.test", "452 4.2.2 mailbox full"),
    ]
