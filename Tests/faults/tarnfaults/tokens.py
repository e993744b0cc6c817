"""Tokens of a closed server: the first one is made with tarnd, the others over HTTP."""

import json
import re
import subprocess

from .board import Skip
from .server import clean_environment


def closed_server(server):
    """Makes the admin's token of a stopped server's folder, which closes the server; the token."""
    done = subprocess.run([server.context.program("tarnd"), "token", "create", "--data", server.data, "--role", "admin",
                           "--name", "board"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=clean_environment())
    if done.returncode:
        raise Skip(f"this tarnd has no tokens: {done.stderr.strip()[-200:]}")
    return re.search(r"tarn_\w+", done.stdout)[0]


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def client(server, token, project, timeout=60):
    found = server.api(project, timeout)
    found.headers |= bearer(token)
    return found


def make(server, admin, name, role, projects, **more):
    """A token, with its public identifier."""
    answer = client(server, admin, "x/x").ask("POST", "/v1/tokens", {"name": name, "role": role, "projects": projects,
                                                                    **more})
    if answer is None or answer[0] not in (200, 201):
        raise RuntimeError(f"making the token {name}: {answer}")
    told = json.loads(answer[1])
    return told["token"], told["description"]["id"]
