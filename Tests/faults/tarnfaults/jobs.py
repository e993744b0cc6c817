"""Jobs of a CI system with what they can prove about themselves, as the incidents of row 27 need them."""

import json

from . import api, isolation, issuer, tokens
from .board import Skip
from .clients import Job
from .server import Server

PROJECT = "acme/shop"
POISON = b"POISON"


class Company:
    """A server with one isolated project, and an issuer of job identities that it trusts."""

    def __init__(self, context, *flags):
        if not isolation.available(context):
            raise Skip("this tarnd has no isolated projects")
        self.context, self.issuer = context, issuer.Issuer(context)
        rules = isolation.flags(context, "isolated", PROJECT, self.issuer)
        self.server = Server(context, *rules, *isolation.unlimited(context), *flags, start=False)
        self.admin = tokens.closed_server(self.server)
        self.server.start()

    def exchange(self, identity):
        """(status, answer) of the exchange of an identity token for a session's."""
        answer = self.server.api(PROJECT).ask("POST", isolation.EXCHANGE, isolation.exchange_body(identity))
        if answer is None:
            return None, {}
        try:
            return answer[0], json.loads(answer[1])
        except ValueError:
            return answer[0], {}

    def job(self, claims):
        """A client with the session of a job with these claims; None if it gets none."""
        status, told = self.exchange(self.issuer.token(claims))
        if status not in (200, 201):
            return None
        return tokens.client(self.server, told[isolation.SESSION_TOKEN], PROJECT)

    def runner(self, claims):
        """A machine with the clients, for a job with these claims."""
        status, told = self.exchange(self.issuer.token(claims))
        if status not in (200, 201):
            return None
        return Job(self.context, self.server, PROJECT, token=told[isolation.SESSION_TOKEN])


def put(client, key, content, scope=None, replace=False):
    """The answer to a save; (401, b"") for a job that got no session."""
    if client is None:
        return 401, b""
    query = "?path=t" + ("&replace=true" if replace else "") + (f"&scope={scope.replace('/', '%2F')}" if scope else "")
    return client.ask("PUT", f"{client.entry(key)}/layers/0.tar{query}", api.tar_of({"f": content}))


def get(client, key):
    """The file that a restore of the key gives in the job; None for a miss."""
    if client is None:
        return None
    answer = client.post("resolve", {"keys": [{"key": key}]})
    if not answer or answer[0] != 200 or "entry" not in json.loads(answer[1]):
        return None
    found = json.loads(answer[1])["entry"]
    scope = found["scope"].replace("/", "%2F")
    answer = client.ask("GET", f"{client.entry(found['key'])}/layers/0/files/t/f?scope={scope}")
    return answer[1] if answer and answer[0] == 200 else None
