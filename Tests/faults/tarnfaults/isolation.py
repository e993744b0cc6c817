"""Projects whose jobs don't trust each other: what `access.yml` needs to have for them."""

import functools
import os
import subprocess

from .server import clean_environment


@functools.lru_cache(maxsize=None)
def help_of(program):
    return subprocess.run([program, "--help"], stdout=subprocess.PIPE, text=True, env=clean_environment()).stdout


EXCHANGE, SESSION_TOKEN = "/v1/auth/exchange", "token"


def available(context):
    """Whether this server can have rules for projects."""
    return "--access" in help_of(context.program("tarnd"))


def exchange_body(identity):
    return {"token": identity}


def flags(context, mode, project, issuer=None):
    """The flags for a server with one project of that mode, whose jobs an issuer vouches for."""
    if not available(context):
        return []
    path = os.path.join(context.fresh("rules"), "access.yml")
    with open(path, "w") as file:
        file.write(f"projects:\n  {project}:\n    mode: {mode}\n")
    return ["--access", path]
