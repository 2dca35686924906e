"""A mail server's log and the record of what it was answered, kept as test data: DIR/mail.log and DIR/record.ndjson.

Of each answer: time, sender, recipient, size (as the client announced it), stage, status (delivered, deferred, bounced), code and reply
(null when the server said nothing).
"""

import json
import pathlib

from smtp_server import Answer, Reply


def _as_row(answer: Answer) -> dict:
    has_reply = isinstance(answer.behaviour, Reply)
    return {
        "time": round(answer.time, 3),
        "sender": answer.sender,
        "recipient": answer.recipient,
        "size": answer.size,
        "stage": answer.stage,
        "status": answer.status,
        "code": answer.behaviour.code if has_reply else None,
        "reply": answer.behaviour.as_logged() if has_reply else None,
    }


def write_record(directory: pathlib.Path, log: bytes, answers: list[Answer]):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "mail.log").write_bytes(log)
    with open(directory / "record.ndjson", "w", encoding="utf-8") as record:
        for answer in answers:
            record.write(json.dumps(_as_row(answer), ensure_ascii=False) + "\n")


def read_record(directory: pathlib.Path) -> tuple[bytes, list[dict]]:
    lines = (directory / "record.ndjson").read_text("utf-8").splitlines()
    return (directory / "mail.log").read_bytes(), [json.loads(line) for line in lines]
