"""The table of who may do what, written down a second time and apart from the server, as what it must do.

Source: the rules table of docs/SECURITY.md. Scopes are as a job names them; a tier's own scope, the base of its pull
request, and the default branch's scope make the relation, and the relation decides.
"""

import dataclasses

ACTIONS = ("read", "list", "save", "replace", "remove", "pin")


@dataclasses.dataclass(frozen=True)
class Who:
    """A credential's meaning in one project: its tier, the scope it may write, and the base of its pull request."""

    tier: str
    scope: str = None
    base: str = None


def main_scope(mode, default="main"):
    return "shared" if mode == "shared" else f"branch/{default}"


def relation(who, scope, mode):
    if scope == who.scope:
        return "own"
    if scope == who.base:
        return "base"
    if scope == main_scope(mode):
        return "main"
    return "other"


OWN = {
    "main": {"read", "list", "save", "pin"}, "release": {"read", "list", "save", "pin"},
    "branch": {"read", "list", "save", "replace", "remove"}, "pull-request": {"read", "list", "save", "replace", "remove"},
    "fork": {"read", "list"}, "untrusted": set(), "tag": {"read", "list", "save"},
    "developer": {"read", "list", "remove"}, "auditor": {"list"}, "stranger": set(), "nobody": set(),
}
BASE_AND_MAIN = {
    "main": set(), "release": {"read", "list"}, "branch": {"read"}, "pull-request": {"read"}, "fork": set(),
    "untrusted": {"read"}, "tag": {"read"}, "developer": {"read", "list"}, "auditor": {"list"}, "stranger": set(),
    "nobody": set(),
}


def allows(who, action, scope, mode):
    """Whether a credential may do something in a scope of its project."""
    if who.tier == "administrator":
        return True
    if who.tier == "auditor":
        return action == "list"
    kind = relation(who, scope, mode)
    if kind == "own":
        return action in OWN[who.tier]
    if kind == "base":
        return action == "read" and who.tier in ("pull-request", "fork", "untrusted") and action in BASE_AND_MAIN[who.tier]
    return kind == "main" and action in BASE_AND_MAIN[who.tier]
