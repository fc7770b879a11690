# What a WHIP or WHEP client says over HTTP, and how the scripts here talk with the test that starts them: the test
# writes one JSON object that says what to do, then lines of text; the script writes one JSON object per line.
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urljoin


def order():
    """What the test wants."""
    return json.loads(sys.stdin.readline())


def tell(**facts):
    print(json.dumps(facts), flush=True)


class Refused(Exception):
    """The server said no. The test has been told how."""


class Door:
    def __init__(self, wanted):
        self.url, self.token = wanted["url"], wanted.get("token")
        self.context = ssl.create_default_context(cafile=wanted.get("ca")) if self.url.startswith("https:") else None
        self.resource = self.etag = None

    def ask(self, method, url, body=None, **headers):
        """One request: its status, headers and body, whatever the status is."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        request = urllib.request.Request(url, body and body.encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.context) as got:
                return got.status, got.headers, got.read().decode()
        except urllib.error.HTTPError as got:
            return got.code, got.headers, got.read().decode()

    def post(self, offer):
        """Brings the offer, as often as the server says that nobody casts yet, and returns the answer."""
        waited = 0
        while True:
            status, headers, body = self.ask("POST", self.url, offer, Content_Type="application/sdp")
            if status != 409 or "Retry-After" not in headers or waited >= 20:
                break
            if not waited:
                tell(waiting=float(headers["Retry-After"]))
            waited += 1
            time.sleep(min(float(headers["Retry-After"]), 0.5))
        if status != 201:
            tell(status=status, type=headers.get("Content-Type"), body=body)
            raise Refused
        self.resource, self.etag = urljoin(self.url, headers["Location"]), headers["ETag"]
        tell(status=status, type=headers.get("Content-Type"), resource=self.resource, etag=self.etag,
             links=len(headers.get_all("Link") or []), waited=waited)
        return body

    def trickle(self, fragment):
        return self.ask("PATCH", self.resource, fragment, Content_Type="application/trickle-ice-sdpfrag",
                        If_Match=self.etag)[0]

    def delete(self):
        return self.ask("DELETE", self.resource)[0]
