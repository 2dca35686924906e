"""No local part, subject or message id is kept, in whatever form a server's reply has it; domains and IP addresses are.

Each disguise hides the name Zelda Quarterstaff; each kind of reply is a text around it, as different servers write them.
"""

import base64
import json
import re
import subprocess

NAME = "zelda.quarterstaff"
ENCODED = base64.b64encode(b"zelda.quarterstaff@example.net").decode()

ADDRESSES = {
    "plain": f"{NAME}@example.net",
    "angle": f"<{NAME}@example.net>",
    "capitals": "<Zelda.Quarterstaff@Example.NET>",
    "quoted": '"zelda quarterstaff"@example.net',
    "quoted in angles": '<"zelda quarterstaff"@example.net>',
    "quoted with at": '<"zelda@quarterstaff"@example.net>',
    "quoted pair": "zelda\\ quarterstaff@example.net",
    "tag": f"<{NAME}+news@example.net>",
    "percent hack": f"<{NAME}%example.org@example.net>",
    "bang path": f"<gate.example.org!{NAME}>",
    "long bang path": f"gate!relay!{NAME}",
    "bang path at": f"<gate!{NAME}@example.net>",
    "source route": f"<@gate.example.org,@relay.example.org:{NAME}@example.net>",
    "utf-8": "<zélda.quarterstaff@example.net>",
    "address literal": f"<{NAME}@[192.0.2.7]>",
    "batv": f"<prvs=1234abcdef={NAME}@example.net>",
    "batv of old": f"<btv1==1234abcdef=={NAME}@example.net>",
    "srs0": f"<SRS0=HHH=TT=example.net={NAME}@forward.example>",
    "srs1": f"<SRS1=XYZ=first.example==HHH=TT=example.net={NAME}@forward.example>",
    "verp": f"<bounce-17-{NAME}=example.net@lists.example>",
    "verp plus": f"<bounce+{NAME}=example.net@lists.example>",
    "base64": f"<{base64.b64encode(b'zelda.quarterstaff').decode()}@example.net>",
    "base64 alone": ENCODED,
    "url": f"https://example.net/why?e={NAME}%40example.net&c=1",
    "url path": f"https://example.net/u/{NAME}@example.net/why",
    "url twice encoded": f"https://example.net/why?e={NAME}%2540example.net",
    "url base64": f"https://example.net/why?u={ENCODED}",
    "mailto": f"mailto:{NAME}@example.net",
    "entity": f"{NAME}&#64;example.net",
    "spoken": f"{NAME} at example.net",
    "spoken in angles": "<quarterstaff at example.net>",
    "at in brackets": f"{NAME} (at) example.net",
    "at in square brackets": f"{NAME}[at]example.net",
    "x.400": "/G=Zelda/S=Quarterstaff/O=Org/PRMD=P/ADMD= /C=DE/",
    "x.400 with semicolons": "C=DE;A= ;P=ORG;O=Exchange;S=Quarterstaff;G=Zelda;",
    "x.500": f"/o=Org/ou=First Administrative Group/cn=Recipients/cn={NAME}",
    "imceaex": "<IMCEAEX-_O=ORG_OU=FIRST_CN=RECIPIENTS_CN=ZELDA+2EQUARTERSTAFF@example.net>",
    "imcea alone": "IMCEAX400-_C=DE_S=Quarterstaff_G=Zelda",
    "ldap": "cn=Zelda Quarterstaff,ou=people,dc=example,dc=net",
    "name in angles": "<quarterstaff>",
    "sendmail": f"<{NAME}>...",
}

KINDS = [
    "550 5.1.1 {}: Recipient address rejected: User unknown in virtual mailbox table",
    "550 5.1.1 The email account that you tried to reach does not exist: {}",
    "452 4.2.2 mailbox of {} is over quota, 192.0.2.7",
    "554 5.7.1 Message from {} blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.7",
    "550-5.7.26 unauthenticated mail from {} 550 5.7.26 see https://support.google.com/mail/?p=UnauthenticatedMail - gsmtp",
    "451 blorp {} grumble",
    "550 您的邮件被拒绝：{}",
]

# What is told of the mail's own recipient and sender, quarterstaff@example.net, in no form of an address.
BARE = [
    "550 5.1.1 user quarterstaff unknown",
    "550 5.1.1 no mailbox 'Quarterstaff' here",
    "451 blorp (quarterstaff) grumble",
    "550 quarterstaff... User unknown",
    "550 5.1.1 x400: quarterstaff/",
]

SECRETS = [
    "554 5.7.1 header Subject: quarterstaff and halberd from mx1; rejected",
    '550 5.6.0 subject "quarterstaff and halberd" refused',
    "550 5.6.0 Subject=[quarterstaff] is spam",
    "451 message-id: <quarterstaff.1234@example.net> seen already",
    "451 Message-ID=quarterstaff.1234 seen already",
    "250 2.0.0 message discarded as spam, message-id <quarterstaff.1@example.net>",
]


def log_of(replies) -> str:
    """A Postfix log in which each message is refused with one of the replies."""
    lines = []
    for number, reply in enumerate(replies):
        stamp, queue_id = f"2026-11-24T08:{number // 60 % 60:02}:{number % 60:02}Z mx1 postfix", f"4bXyZ{number:06d}"
        status = {"2": "sent", "4": "deferred"}.get(reply[0], "bounced")
        lines += [
            f"{stamp}/qmgr[9]: {queue_id}: from=<quarterstaff@example.org>, size=900, nrcpt=1 (queue active)",
            f"{stamp}/smtp[9]: {queue_id}: to=<quarterstaff@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, "
            f"delays=1/0/0/0, dsn={reply[0]}.0.0, status={status} (host mx.example.net[192.0.2.1] said: {reply} (in reply to RCPT TO command))"
            if status != "sent"
            else f"{stamp}/smtp[9]: {queue_id}: to=<quarterstaff@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, "
            f"delays=1/0/0/0, dsn=2.0.0, status=sent ({reply})",
            f"{stamp}/qmgr[9]: {queue_id}: removed",
        ]
    return "".join(line + "\n" for line in lines)


def found_in(text: bytes) -> list[bytes]:
    """Places of the name, also in Base64 and in lower-cased Base64."""
    tell = re.compile(rb".{0,80}(?:quarterstaff|zelda|emvsZGEu|" + ENCODED[:20].encode() + rb").{0,60}", re.I)
    return tell.findall(text)


def test_people_are_in_no_output(bouncemill, tmp_path):
    replies = [kind.format(address) for kind in KINDS for address in ADDRESSES.values()] + BARE + SECRETS
    (tmp_path / "mail.log").write_text(log_of(replies))
    store = tmp_path / "store"
    run = bouncemill.run("run", "--store", store, "--format", "postfix", "--zone", "UTC", "-v", tmp_path / "mail.log")
    outputs = {"log": run.stdout + run.stderr}
    for dataset in ["traffic", "relays", "replies"]:
        for form in ["ndjson", "csv"]:
            outputs[f"dump {dataset} {form}"] = bouncemill.run("dump", dataset, "--store", store, "--format", form).stdout
    outputs["report"] = bouncemill.run("report", "--store", store, "--top", "1000").stdout
    outputs["report json"] = bouncemill.run("report", "--store", store, "--json").stdout
    outputs["query"] = bouncemill.run("query", "--store", store, "--by", "recipient_domain,sender_domain,provider,cause").stdout
    for path in store.rglob("*"):
        if path.is_file():
            outputs[str(path.relative_to(store))] = path.read_bytes()
        if path.suffix == ".zst":
            outputs[path.name] = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout
    assert sum(name.endswith(".zst") for name in outputs) >= 3
    leaks = {name: found[:20] for name, text in outputs.items() if (found := found_in(text))}
    assert not leaks, json.dumps({name: [place.decode(errors="replace") for place in found] for name, found in leaks.items()}, indent=1)
    rows = [json.loads(line) for line in outputs["dump replies ndjson"].decode().splitlines()]
    assert sum(row["count"] for row in rows) == len(replies)
    kept = "".join(row["example"] for row in rows)
    assert "example.net" in kept and "192.0.2.7" in kept and "zen.spamhaus.org" in kept


def test_a_name_that_is_masked_does_not_split_templates(bouncemill, tmp_path):
    log = "".join(
        log_of(["550 5.1.1 blorp " + name]).replace("quarterstaff@example.net", name + "@example.net").replace("4bXyZ0", f"4bXy{i}")
        for i, name in enumerate(["adalbert", "brunhilde", "chlodwig"])
    )
    (tmp_path / "mail.log").write_text(log)
    bouncemill.run("run", "--store", tmp_path / "store", "--format", "postfix", tmp_path / "mail.log")
    rows = [json.loads(line) for line in bouncemill.dump("replies", tmp_path / "store")]
    assert [(row["count"], row["example"]) for row in rows] == [(3, rows[0]["example"])]
    assert "blorp ***" in rows[0]["template"] and "blorp ***" in rows[0]["example"]
