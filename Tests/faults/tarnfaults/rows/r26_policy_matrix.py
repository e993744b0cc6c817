"""Row 26. Fault: every kind of credential tries every action in every kind of scope.

Invariant: exactly what the table allows has an effect, and nothing else. How: not the answer is judged but the effect:
whether bytes came, the key was listed, the entry is there, changed, gone or pinned, as the administrator sees it. What is
refused must look as if it were not there, or be a 401 or 403. The expected table is policy.py's, not the server's.
"""

import hashlib
import json
import re
import urllib.parse

from .. import api, isolation, tokens
from ..board import Skip, row
from ..policy import ACTIONS, Who, allows
from ..server import Server

PROJECT = "acme/shop"
SCOPES = {
    "shared": ("shared", "pr/5", "pr/6", "fork/9", "dev/ann", "branch/x", "tag/v1"),
    "isolated": ("branch/main", "branch/release/1", "branch/x", "branch/y", "pr/5", "pr/6", "tag/v1", "tag/v2", "shared"),
}
WHO = {
    "shared": {
        "job of shared": (Who("branch", "shared"), dict(role="job")),
        "job of pr/5": (Who("pull-request", "pr/5"), dict(role="job", scope="pr/5")),
        "job of a fork": (Who("fork", "fork/9"), dict(role="job", scope="fork/9")),
        "job of a branch": (Who("untrusted"), dict(role="job", scope="branch/x")),
    },
    "isolated": {
        "job of main": (Who("main", "branch/main"), dict(role="job", scope="branch/main")),
        "job of a release": (Who("release", "branch/release/1"), dict(role="job", scope="branch/release/1")),
        "job of a branch": (Who("branch", "branch/x"), dict(role="job", scope="branch/x")),
        "job of pr/5": (Who("pull-request", "pr/5"), dict(role="job", scope="pr/5")),
        "job of a tag": (Who("tag", "tag/v1"), dict(role="job", scope="tag/v1")),
        "job of shared": (Who("untrusted"), dict(role="job", scope="shared")),
    },
}
EVERYWHERE = {
    "auditor": (Who("auditor"), dict(role="auditor")),
    "admin": (Who("administrator"), dict(role="admin")),
    "job of another project": (Who("stranger"), dict(role="job", projects="acme/other")),
    "admin of another owner": (Who("stranger"), dict(role="admin", projects="evil/*")),
    "job that may only read": (Who("nobody"), dict(role="job", actions=["list"], projects="acme/none")),
    "nobody": (Who("nobody"), None),
    "a wrong token": (Who("nobody"), "tarn_0123456789Ab_" + "x" * 43 + "_000000"),
}


@row(26, "policy-matrix", "every kind of credential tries every action in every kind of scope",
     "exactly the table", quick=True, plants=("wider table",))
def run(context, tally):
    modes = ["shared"] + (["isolated"] if isolation.available(context) else [])
    for mode in modes:
        with context.scope():
            matrix(context, tally, mode)
    tally.figure(modes=" and ".join(modes))
    tally.need(tally.cases >= 300 or context.plant, f"only {tally.cases} cases, 300 are wanted")
    if len(modes) < 2:
        raise Skip("this server has no isolated projects; what is told is about shared ones")


def matrix(context, tally, mode):
    server = Server(context, *isolation.flags(context, mode, PROJECT), *isolation.unlimited(context), start=False)
    admin = tokens.closed_server(server)
    server.start()
    board = tokens.client(server, admin, PROJECT)
    for name, (who, wanted) in {**WHO[mode], **EVERYWHERE}.items():
        token = wanted
        if isinstance(wanted, dict):
            token, _ = tokens.make(server, admin, re.sub("[^a-z0-9]", "-", name), **{"projects": PROJECT, **wanted})
        client = tokens.client(server, token, PROJECT)
        for scope in SCOPES[mode]:
            for action in ACTIONS:
                expected = allows(who, action, scope, mode)
                if context.planted("wider table") and action == "save":
                    expected = True
                attempt(tally, board, client, action, scope, expected, f"{mode}: {name}, {action} in {scope}")
                tally.case()


def attempt(tally, board, client, action, scope, expected, where):
    """Prepares an entry of its own for the case, tries, and sees what came of it."""
    key = "k-" + hashlib.sha256(where.encode()).hexdigest()[:20]
    if action != "save":
        answer = put(board, key, scope, b"old")
        if answer is None or answer[0] != 200:
            raise RuntimeError(f"{where}: preparing: {answer}")
    happened, answer = TRIALS[action](board, client, key, scope)
    status = answer[0] if answer else None
    tally.hold(happened == expected, f"{where}: {'happened' if happened else 'did not happen'}, "
                                     f"answer {status} {answer[1][:160] if answer else ''}")
    if not happened:
        tally.hold(status in (200, 400, 401, 403, 404), f"{where}: refused with {status}")


def put(client, key, scope, content, replace=False):
    query = urllib.parse.urlencode({"scope": scope, "path": "t", **({"replace": "true"} if replace else {})})
    return client.ask("PUT", f"{client.entry(key)}/layers/0.tar?{query}", api.tar_of({"f": content}))


def get(client, key, scope):
    return client.ask("GET", f"{client.entry(key)}/layers/0/files/t/f?scope={urllib.parse.quote(scope, safe='')}")


def entry(board, key, scope):
    answer = board.ask("GET", f"{board.entry(key)}?scope={urllib.parse.quote(scope, safe='')}")
    return json.loads(answer[1]) if answer and answer[0] == 200 else None


def read(board, client, key, scope):
    answer = get(client, key, scope)
    return bool(answer and answer[0] == 200 and answer[1] == b"old"), answer


def listed(board, client, key, scope):
    query = urllib.parse.urlencode({"scope": scope, "prefix": key})
    answer = client.ask("GET", f"{client.base}/entries?{query}")
    found = json.loads(answer[1])["entries"] if answer and answer[0] == 200 else []
    return any(one["key"] == key and one["scope"] == scope for one in found), answer


def save(board, client, key, scope):
    answer = put(client, key, scope, b"new")
    return entry(board, key, scope) is not None, answer


def replace(board, client, key, scope):
    answer = put(client, key, scope, b"new", replace=True)
    now = get(board, key, scope)
    return bool(now and now[1] == b"new"), answer


def remove(board, client, key, scope):
    answer = client.ask("DELETE", f"{client.entry(key)}?scope={urllib.parse.quote(scope, safe='')}")
    return entry(board, key, scope) is None, answer


def pin(board, client, key, scope):
    answer = client.post("changes", {"action": "pin", "key": key, "scope": scope})
    return bool((entry(board, key, scope) or {}).get("isPinned")), answer


TRIALS = {"read": read, "list": listed, "save": save, "replace": replace, "remove": remove, "pin": pin}
