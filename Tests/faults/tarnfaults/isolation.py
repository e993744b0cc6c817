"""Projects whose jobs don't trust each other: what `access.yml` needs to have for them."""

import functools
import json
import os
import subprocess

from .issuer import AUDIENCE
from .server import clean_environment


@functools.lru_cache(maxsize=None)
def help_of(program):
    return subprocess.run([program, "--help"], stdout=subprocess.PIPE, text=True, env=clean_environment()).stdout


# What makes a job one of the project: what nobody but the CI system can choose.
BINDING = {"repository_id": "1001", "repository_owner_id": "2001"}
EXCHANGE, SESSION_TOKEN = "/v1/auth/exchange", "token"


def available(context):
    """Whether this server can have rules for projects."""
    return "--access" in help_of(context.program("tarnd"))


def unlimited(context):
    """Flags so that a row's many wrong credentials get their own answers, and not 429."""
    return ["--auth-failure-rate", "0"] if "--auth-failure-rate" in help_of(context.program("tarnd")) else []


def exchange_body(identity):
    return {"token": identity}


def flags(context, mode, project, issuer=None):
    """The flags for a server with one project of that mode, whose jobs an issuer may vouch for."""
    if not available(context):
        return []
    lines = []
    if issuer:
        lines += ["issuers:", f'  board: {{provider: github, url: "{issuer.url}", audience: "{AUDIENCE}"}}']
    lines += ["projects:", f"  {project}:", f"    mode: {mode}"]
    if issuer:
        lines += ["    identities:", f"      - {{issuer: board, claims: {json.dumps(BINDING)}}}"]
    path = os.path.join(context.fresh("rules"), "access.yml")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return ["--access", path]
