"""A `bouncemill run` that answers over HTTP, and its metrics read as a scraper does."""

import re
import signal
import subprocess
import time
import urllib.error
import urllib.request


class Scraped(dict):
    """{"bouncemill_lines_total": {'result="info",kind=""': 7.0}}; a metric without labels has the key ''."""

    def one(self, name: str, labels: str = "") -> float:
        return self.get(name, {}).get(labels, 0.0)

    def sum(self, name: str) -> float:
        return sum(self[name].values())


def get(port: int, path: str, method="GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(port: int) -> Scraped:
    code, text = get(port, "/metrics")
    assert code == 200
    found, types = Scraped(), set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            types.add(line.split()[2])
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        assert name in types, f"{name} has no type"
        found.setdefault(name, {})[labels or ""] = float(value)
    return found


class Run:
    def __init__(self, bouncemill, *args):
        self.process = bouncemill.start("run", "--listen", "0", "--format", "postfix", *args, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if match := re.search(rb"event=listening address=127.0.0.1 port=(\d+)", line):
                self.port = int(match[1])
                return
        raise AssertionError("the run does not listen")

    def wait_for(self, is_there, seconds=30) -> Scraped:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if get(self.port, "/readyz")[0] == 200 and is_there(found := scrape(self.port)):
                return found
            time.sleep(0.2)
        raise AssertionError(f"did not come: {get(self.port, '/metrics')[1]}")

    def end(self) -> bytes:
        self.process.send_signal(signal.SIGTERM)
        stderr = self.process.communicate(timeout=30)[1]
        assert self.process.returncode == 0
        return stderr
