"""Row 27. Fault: five poisonings that happened, replayed 20 times each by jobs with identities of a CI system.

Invariant: the protected job (a push to main, or to a release branch) never restores a byte of the attacker, and what it
had saved is still there. How: an issuer on loopback signs what GitHub would sign for each job; the jobs exchange it and
save, restore and delete over HTTP; what the protected job restores with restore_cache is compared.

- TanStack (2026): a fork's pull request runs in the context of main (`pull_request_target`) and saves the key of the store
  that the release will restore.
- Cline (2026): a triage job floods the cache beyond its budget, so that good entries go, and saves theirs.
- Ultralytics (2024): a branch is named so that it looks like main.
- CREEP (2025): a pull request saves first under the hash that main is going to compute.
- Cacheract (2024): a job of a branch takes main's entry, removes it, and saves it again with something added.
"""

import os
import shutil

from .. import trees
from ..board import row
from ..issuer import github, pull_request
from ..jobs import POISON, PROJECT, Company, get, put


@row(27, "incidents", "five poisonings of 2024 to 2026, replayed with identities of a CI system",
     "the protected job restores clean bytes or misses", quick=True, plants=("poisoned entry",))
def run(context, tally):
    rounds = 2 if context.plant else context.size(4, 20)
    figures = {}
    for incident in (tanstack, cline, ultralytics, creep, cacheract):
        with context.scope():
            flags = ("--max-size", "24MiB", "--unprotected-share", "25") if incident is cline else ()
            scene = Scene(context, tally, incident.__name__, flags)
            for number in range(rounds):
                incident(scene, number)
                tally.case()
            figures[f"{incident.__name__}_attempts_refused"] = scene.refused
            figures[f"{incident.__name__}_protected_restores"] = scene.restores
    tally.figure(**figures)


class Scene:
    """A company, its protected jobs, and what they restore."""

    def __init__(self, context, tally, incident, flags):
        self.context, self.tally, self.incident = context, tally, incident
        self.company = Company(context, *flags)
        self.refused = self.restores = 0

    def protected(self, branch="main"):
        client = self.company.job(github(ref=f"refs/heads/{branch}"))
        if client is None:
            raise RuntimeError(f"a job of {branch} got no session")
        return client

    def attack(self, answer, what):
        """Counts a refusal. An attack that is let through is a violation only if the protected job sees it."""
        self.refused += answer is None or answer[0] >= 400
        if answer is not None and answer[0] >= 500 and answer[0] != 507:
            self.tally.violation(f"{self.incident}: {what} got {answer[0]}")

    def must_be_clean(self, key, clean, branch="main"):
        """What the protected job restores: these bytes, or a miss if it is None."""
        if self.context.planted("poisoned entry"):
            put(self.protected(branch), key, POISON, replace=True) if clean is None else None
            self.poison_as_admin(key, branch)
        found = get(self.protected(branch), key)
        self.restores += 1
        self.tally.hold(found is None or POISON not in found, f"{self.incident}: {branch} restored poison from {key}")
        self.tally.hold(found == clean, f"{self.incident}: {branch} restored {found and found[:40]!r} from {key}, "
                                        f"{clean and clean[:40]!r} is right")

    def poison_as_admin(self, key, branch):
        from .. import tokens

        admin = tokens.client(self.company.server, self.company.admin, PROJECT)
        put(admin, key, POISON, scope=f"branch/{branch}", replace=True)

    def clients_are_clean(self, number):
        """The same with the real clients: a tree that main saved, an attack on its key, a restore."""
        saver, reader = (self.company.runner(github()) for _ in range(2))
        trees.make(saver.path(), self.context.random(f"tree{number}"), files=3, largest=3000)
        expected, key = trees.snapshot(saver.path()), f"tree-{self.incident}-{number}"
        if saver.save(key) is None:
            raise RuntimeError(f"main's save failed: {saver.said}")
        attacker = self.company.runner(pull_request(66))
        if attacker:
            os.mkdir(attacker.path())
            with open(attacker.path("tree/poison"), "wb") as file:
                file.write(POISON)
            for flags in ((), ("--replace",), ("--scope", "branch/main")):
                attacker.save(key, "tree", *flags)
        outcome = reader.restore(key)
        wrong = trees.difference(expected, trees.snapshot(reader.path()))
        self.tally.hold(outcome == "hit" and not wrong, f"{self.incident}: restore_cache: {outcome} {wrong}")
        for job in (saver, reader, attacker):
            if job:
                shutil.rmtree(job.folder)


def tanstack(scene, number):
    key = f"pnpm-store-{scene.context.seed}-{number}"
    for event in ("pull_request_target", "issue_comment", "workflow_run", "issues", "discussion"):
        attacker = scene.company.job(github(event=event))
        scene.attack(put(attacker, key, POISON), f"a save of {event}")
        scene.attack(put(attacker, key, POISON, scope="branch/main"), f"a save of {event} into main")
    fork = scene.company.job(pull_request(number + 100, head_repository="evil/shop"))
    scene.attack(put(fork, key, POISON), "a save of the fork")
    scene.must_be_clean(key, None)
    put(scene.protected(), key, b"clean store")
    scene.attack(put(fork, key, POISON, replace=True), "a replacement of the fork")
    scene.must_be_clean(key, b"clean store")
    scene.must_be_clean(key, b"clean store", "release/1")
    scene.clients_are_clean(number)


def cline(scene, number):
    key, good = f"node-modules-{number}", b"good " + bytes(1000)
    if number == 0:
        scene.good = []
    put(scene.protected(), key, good)
    scene.good.append(key)
    random = scene.context.random(f"flood{number}")
    attacker = scene.company.job(pull_request(7000 + number))
    branch = scene.company.job(github(ref=f"refs/heads/x{number}", ref_protected="false"))
    for piece in range(24):  # three times the share of what is not protected, and more than what is free
        scene.attack(put(attacker, f"flood-{number}-{piece}", POISON + random.randbytes(1 << 20)), "a flood")
    scene.attack(put(attacker, key, POISON), "a save after the flood")
    scene.attack(put(branch, key, POISON), "a branch's save after the flood")
    for kept in scene.good:
        scene.must_be_clean(kept, good)


def ultralytics(scene, number):
    key = f"pip-{number}"
    names = ("main", "refs/heads/main", "main\n", "release/1", "Main", "main/../main", "branch/main", "main ", "mаin",
             "main%2F", "$(curl evil)", "'; main")
    for name in names:
        elsewhere = github("evil/shop", f"refs/heads/{name}", repository_id="6666", repository_owner_id="6667")
        branch = github(ref=f"refs/heads/{name}x", ref_protected="false")
        for claims in (pull_request(number + 1, head=name), branch, elsewhere):
            attacker = scene.company.job(claims)
            scene.attack(put(attacker, key, POISON), f"a save of {name!r}")
            scene.attack(put(attacker, key, POISON, scope="branch/main"), f"a save of {name!r} into main")
    scene.must_be_clean(key, None)
    put(scene.protected(), key, b"clean wheels")
    scene.must_be_clean(key, b"clean wheels")


def creep(scene, number):
    key = f"build-{number:064x}"
    first = scene.company.job(pull_request(number + 1, head="feature"))
    scene.attack(put(first, key, POISON), "the first save")
    scene.attack(put(first, key, POISON, scope="branch/main"), "the first save into main")
    scene.must_be_clean(key, None)
    answer = put(scene.protected(), key, b"built by main")
    scene.tally.hold(answer and answer[0] == 200, f"creep: main's own save got {answer}")
    scene.must_be_clean(key, b"built by main")
    scene.clients_are_clean(number)


def cacheract(scene, number):
    key = f"cache-{number}"
    put(scene.protected(), key, b"clean " * 50)
    for claims in (github(ref="refs/heads/feature", ref_protected="false"), pull_request(number + 1)):
        attacker = scene.company.job(claims)
        taken = get(attacker, key) or b""
        scene.attack(attacker.ask("DELETE", f"{attacker.entry(key)}?scope=branch%2Fmain"), "a removal")
        scene.attack(attacker.post("changes", {"action": "remove", "key": key}), "a removal everywhere")
        scene.attack(attacker.post("changes", {"action": "remove", "prefix": ""}), "a removal of all")
        for scope in (None, "branch/main", "shared"):
            scene.attack(put(attacker, key, taken + POISON, scope, replace=True), f"a save into {scope}")
    scene.must_be_clean(key, b"clean " * 50)
