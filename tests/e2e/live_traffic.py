"""Some hundred messages through a real Postfix to our own SMTP server, and what must be in the log about them.

run_live() gives the log's bytes, the server's record of every answer, and the counts of what never reached the server (local,
virtual, pipe, discard, error, refused connections, rejects), known from what was sent.
"""

import collections
import dataclasses
import random
import smtplib

from postfix_instance import PostfixInstance, free_port
from smtp_server import ACCEPT, DROP, SILENCE, TAKEN, Answer, Reply, Site, SmtpServer

SENDER = "news@sender.test"

# Answers to RCPT for good and for now, as real receivers word them.
REFUSALS = [
    "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the address",
    "550 5.1.1 <{}@users.test>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 No such user here",
    "554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org",
    "550 5.7.26 This mail has been blocked because the sender is unauthenticated",
    "553 5.3.0 DNSBL:RBL 521< 127.0.0.1 >_is_blocked",
    "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
    "550 4.2.2 class of the enhanced code disagrees with the reply code",
    "521 5.2.1 Mailbox disabled, not accepting messages",
    "550-5.2.1 The account that you tried to reach is disabled.",
]
DEFERRALS = [
    "452 4.2.2 The email account that you tried to reach is over quota",
    "450 4.2.1 The user is receiving mail at a rate that prevents additional messages",
    "451 4.7.1 Greylisting in action, please come back in 00:05:00",
    "451 Temporary local problem - please try later",
    "450 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume or user complaints",
]
ODD_REPLIES = {
    "lines": Reply(
        "550 5.7.1 Our system has detected that this message is\n5.7.1 likely unsolicited mail. To reduce the amount of\n"
        "5.7.1 spam, it was blocked."
    ),
    "empty": Reply("550 "),
    "long": Reply("550 5.7.1 " + "a long story of a policy, " * 30 + "end"),
    "utf8": Reply("550 5.1.1 Empfänger unbekannt: 用户不存在"),
    "latin1": Reply(b"550 5.1.1 Empf\xe4nger unbekannt"),
    "parens": Reply("550 5.1.1 no (really) status=sent (250 ok) to=<x@y.test>, relay=none"),
    "code552": Reply("554 5.2.2 mailbox full (552)"),
}


@dataclasses.dataclass
class LiveRun:
    log: bytes
    answers: list[Answer]
    # (recipient domain, status) -> deliveries that never reached the server
    local: collections.Counter
    rejects: collections.Counter  # (sender, recipient, smtp code) -> refusals by our own smtpd or cleanup
    sole: set[str]  # recipients of whom the server may be asked without hearing the size
    refused_recipient: str  # its server refuses connections
    orig_to: dict[str, str]  # recipient -> the alias that it came from
    sent: int


def sites() -> list[Site]:
    users = {f"bad{i}": [Reply(text.format(f"bad{i}"))] for i, text in enumerate(REFUSALS)}
    users |= {f"wait{i}": [Reply(text)] for i, text in enumerate(DEFERRALS)}
    grey = {f"grey{i}": [Reply(DEFERRALS[2])] * (1 + i % 2) + [ACCEPT] for i in range(10)}
    sole = [
        Site("banner4.test", connect=[Reply("421 4.7.0 Too many connections, try again later"), Reply("220 mx")]),
        Site("banner5.test", connect=[Reply("554 5.7.1 127.0.0.1 has poor reputation")]),
        Site("dropconnect.test", connect=[DROP, Reply("220 mx")]),
        Site("ehlo4.test", ehlo=[Reply("451 4.3.2 not now")]),
        Site("ehlo5.test", ehlo=[Reply("550 5.7.1 your name is not welcome")]),
        Site("dropehlo.test", ehlo=[DROP]),
        Site("silent.test", rcpt={"one": [SILENCE, ACCEPT]}),
    ]
    for site in sole:
        site.sole_recipient, site.sole_sender = f"one@{site.domain}", SENDER
    return sole + [
        Site("sender.test"),
        Site("ok.test"),
        Site("users.test", rcpt=users),
        Site("odd.test", rcpt={local: [reply] for local, reply in ODD_REPLIES.items()}),
        Site("grey.test", rcpt=grey),
        Site("mixed.test", rcpt={"b": [Reply(REFUSALS[0])], "c": [Reply(DEFERRALS[0]), ACCEPT]}),
        Site("mail4.test", mail=[Reply("451 4.1.8 Domain of sender address does not resolve"), Reply("250 2.1.0 Ok")]),
        Site("mail5.test", mail=[Reply("553 5.1.8 Sender address rejected: Domain not found")]),
        Site("mail421.test", mail=[Reply("421 4.3.2 shutting down"), Reply("250 2.1.0 Ok")]),
        Site("data4.test", data=[Reply("451 4.3.0 disk is busy"), Reply("354 go")]),
        Site("data5.test", data=[Reply("554 5.6.0 no data from you")]),
        Site("end4.test", end=[Reply("451 4.7.500 Server busy. Please try again later", after_s=0.5), TAKEN]),
        Site("end5.test", end=[Reply("554 5.7.1 Message rejected as spam\nsee the policy page")]),
        Site("dropmail.test", mail=[DROP, Reply("250 2.1.0 Ok")]),
        Site("droprcpt.test", rcpt={"two": [DROP, ACCEPT]}),
        Site("dropdata.test", data=[DROP, Reply("354 go")]),
        Site("dropend.test", end=[DROP, TAKEN]),
        Site("verify.test", rcpt={"nobody": [Reply("550 5.1.1 no such user")]}),
        Site("lmtp.test", is_lmtp=True, end_by_recipient={
            "full": [Reply("552 5.2.2 Quota exceeded (mailbox for user is full)")], "busy": [Reply("451 4.3.0 locked"), TAKEN],
        }),
    ]  # fmt: skip


def _transport(server: SmtpServer) -> dict[str, str]:
    transport = {}
    for site in server.sites.values():
        transport[site.domain] = f"{'lmtp:inet' if site.is_lmtp else 'smtp'}:[{site.address}]:{site.port}"
    transport["lmtp.test"] = f"lmtp:inet:{server.sites['lmtp.test'].address}:{server.sites['lmtp.test'].port}"
    return transport | {
        "refused.test": f"smtp:[127.0.0.3]:{free_port()}",
        "taker.test": "taker:",
        "refuser.test": "refuser:",
        "delayer.test": "delayer:",
        "discard.test": "discard:silently",
        "error.test": "error:5.7.1 this domain is closed",
        "retry.test": "retry:4.3.2 this domain rests today",
    }


class Sending:
    def __init__(self, postfix: PostfixInstance, seed: int):
        self.client, self.random, self.count = postfix.client(), random.Random(seed), 0

    def message(self, *recipients: str, sender=SENDER, subject="news"):
        body = "x" * self.random.randrange(20, 3000)
        message_id = f"{self.count}.{self.random.random()}@sender.test"
        text = f"From: <{sender}>\r\nSubject: {subject}\r\nMessage-ID: <{message_id}>\r\n\r\n{body}\r\n"
        options = [] if all(address.isascii() for address in (*recipients, sender)) else ["SMTPUTF8"]
        self.client.sendmail(sender, recipients, text.encode(), mail_options=options)
        self.count += 1


def send_to_server(sending: Sending, sites: list[Site], scale: int):
    for i in range(30 * scale):
        sending.message(*[f"u{i}-{j}@ok.test" for j in range(1 + i % 9)], sender=f"list-{i % 5}@sender.test")
    sending.message(*[f"bad{i}@users.test" for i in range(len(REFUSALS))], *[f"wait{i}@users.test" for i in range(len(DEFERRALS))])
    for i in range(8 * scale):
        sending.message(f"bad{i % len(REFUSALS)}@users.test", f"good{i}@users.test", sender="")
    for local in ODD_REPLIES:
        sending.message(f"{local}@odd.test", sender="Odd.Sender+Tag@SENDER.test")
    sending.message(*[f"grey{i}@grey.test" for i in range(10)])
    for i in range(5 * scale):
        sending.message("a@mixed.test", "b@mixed.test", "c@mixed.test", f"d{i}@Mixed.test", f"e{i}@ok.test")
    sending.message("jürgen@ok.test", "ok@ok.test", sender="müller@sender.test")
    for site in sites:
        if site.sole_recipient:
            sending.message(site.sole_recipient)
        elif site.domain not in (
            "sender.test",
            "verify.test",
            "ok.test",
            "users.test",
            "odd.test",
            "grey.test",
            "mixed.test",
            "lmtp.test",
        ):
            for _ in range(scale):
                sending.message(f"one@{site.domain}", f"two@{site.domain}", f"three@{site.domain}")
    sending.message("full@lmtp.test", "busy@lmtp.test", "fine@lmtp.test")
    sending.message("one@refused.test")


def _send_inside(sending: Sending) -> collections.Counter:
    for i in range(10):
        sending.message(f"known{i}@local.test", f"nobody-such{i}@local.test")
        sending.message(f"box{i}@virtual.test")
        sending.message("a@taker.test", "b@refuser.test", f"c{i}@discard.test")
    # smtpd itself refuses recipients of the error transport; behind an alias they reach it.
    sending.message("closed@local.test", "resting@local.test")
    sending.message("a@delayer.test")
    return collections.Counter({
        ("local.test", "delivered"): 13, ("local.test", "bounced"): 10, ("virtual.test", "delivered"): 10,
        ("taker.test", "delivered"): 10, ("refuser.test", "bounced"): 10, ("discard.test", "delivered"): 10,
        ("error.test", "bounced"): 1, ("delayer.test", "expired"): 1, ("retry.test", "expired"): 1,
    })  # fmt: skip


def _be_rejected(postfix: PostfixInstance, sending: Sending) -> collections.Counter:
    rejects = collections.Counter()

    def refused(client: smtplib.SMTP, sender: str, recipient: str):
        client.ehlo_or_helo_if_needed()
        client.mail(sender)
        code, _ = client.rcpt(recipient)
        assert code >= 400, f"{recipient} was not refused"
        rejects[sender, recipient, code] += 1
        client.rset()

    outsider = postfix.client(source="127.0.0.9", helo="outsider.test")
    for i in range(5):
        refused(outsider, "spam@elsewhere.test", f"victim{i}@ok.test")
        refused(outsider, "", f"unknown{i}@virtual.test")
    refused(sending.client, "x@banned.test", "box1@virtual.test")
    refused(sending.client, SENDER, "nobody@verify.test")
    refused(sending.client, SENDER, "d@error.test")
    refused(sending.client, SENDER, "e@retry.test")
    outsider.quit()
    for i in range(3):
        try:
            sending.message(f"header{i}@ok.test", subject="forbidden fruit")
        except smtplib.SMTPDataError as refusal:
            assert refusal.smtp_code == 550
            rejects[SENDER, f"header{i}@ok.test", None] += 1  # cleanup does not log the code
    return rejects


def run_live(*, syslog_name="postfix", has_long_queue_ids=True, scale=1, seed=1) -> LiveRun:
    """Takes some 20 seconds: the last message gives up after 9."""
    server, all_sites = SmtpServer(), sites()
    for site in all_sites:
        server.add_site(site)
    server.start()
    try:
        postfix = PostfixInstance(_transport(server), syslog_name=syslog_name, has_long_queue_ids=has_long_queue_ids)
        postfix.write_table("aliases", {
            **{f"known{i}": "|/bin/true" if i == 0 else "/dev/null" for i in range(10)},
            "team": "m1@ok.test, m2@ok.test", "closed": "x@error.test", "resting": "y@retry.test",
        })  # fmt: skip
        postfix.write_table("mailboxes", {f"box{i}@virtual.test": f"box{i}" for i in range(10)})
        with postfix:
            sending = Sending(postfix, seed)
            local = _send_inside(sending)
            send_to_server(sending, all_sites, scale)
            sending.message("team@local.test")
            rejects = _be_rejected(postfix, sending)
            sending.message("someone@verify.test")
            sending.client.quit()
            postfix.wait_until_done(90)
            log = postfix.log.read_bytes()
    finally:
        server.stop()
    if server.failure:
        raise server.failure
    local["refused.test", "expired"] = 1
    # Address verification asks as this sender, and is no delivery.
    answers = [answer for answer in server.answers if not answer.sender.startswith("double-bounce@")]
    return LiveRun(
        log, answers, local, rejects, {site.sole_recipient for site in all_sites}, "one@refused.test",
        {
            "m1@ok.test": "team@local.test", "m2@ok.test": "team@local.test",
            "x@error.test": "closed@local.test", "y@retry.test": "resting@local.test",
        },
        sending.count,
    )  # fmt: skip
