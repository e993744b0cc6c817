"""Row 28. Fault: forged, expired, replayed and foreign identity tokens, and forged or revoked tokens of Tarn.

Invariant: each is refused with 401 or 403 and a reason, and none gets a session; the key-bearing headers of a token are
never followed. How: an issuer on loopback makes one right token, which must be accepted, and the forgeries from it; a
second issuer plays the attacker's, and counts who asks it for keys.
"""

import time

from .. import issuer as issuers
from .. import tokens
from ..board import row
from ..issuer import AUDIENCE, Key, encode, github
from ..jobs import PROJECT, Company


@row(28, "forged-identities", "25 forged, expired, replayed and foreign identity tokens, forged and revoked tokens",
     "401 or 403 with a reason, no session", quick=True, plants=("right token",))
def run(context, tally):
    company = Company(context)
    evil = issuers.Issuer(context)
    status, told = company.exchange(company.issuer.token(github()))
    if status not in (200, 201):
        raise RuntimeError(f"the right token was refused: {status} {told}")
    count = 0
    for name, identity in forgeries(company.issuer, evil):
        if context.planted("right token"):
            identity = company.issuer.token(github())
        status, told = company.exchange(identity)
        tally.hold(status in (400, 401, 403, 413), f"{name}: {status} {told}")
        tally.hold(told.get("message"), f"{name}: refused without a reason")
        count += 1
        tally.case()
        if context.plant and tally.violations:
            return
    tally.hold(evil.asked == 0, f"the attacker's issuer was asked {evil.asked} times")
    forged = forged_tokens(tally, company)
    tally.figure(identities=count, tokens=forged, requests_to_the_attacker=evil.asked)
    tally.need(count >= 25, f"only {count} forgeries, 25 are wanted")


def forgeries(issuer, evil):
    """(name, token) of what must be refused."""
    now, claims = int(time.time()), github()
    stranger = Key()
    make = issuer.token
    right = make(claims)
    head, body, signature = right.split(".")
    no_algorithm, other_body = encode(b'{"alg":"none"}'), encode(b'{"iss":"x"}')
    yield "alg none", make(claims, {"alg": "none"}, signature=b"")
    yield "alg None", make(claims, {"alg": "None"}, signature=b"")
    yield "alg none with the old signature", f"{no_algorithm}.{body}.{signature}"
    yield "HS256 with the public key", make(claims, {"alg": "HS256"}, secret=issuer.key.pem)
    yield "HS256 with an empty secret", make(claims, {"alg": "HS256"}, secret=b"")
    yield "another key with the same kid", make(claims, key=stranger)
    yield "an unknown kid", make(claims, {"kid": "unknown"}, key=stranger)
    yield "no kid and another key", make(claims, {"kid": None}, key=stranger)
    yield "an embedded jwk", make(claims, {"jwk": stranger.jwk}, key=stranger)
    yield "a jku of the attacker", make(claims, {"jku": evil.url + "/jwks", "kid": "evil"}, key=evil.key)
    yield "an x5u of the attacker", make(claims, {"x5u": evil.url + "/x5u", "kid": "evil"}, key=evil.key)
    yield "a crit header", make(claims, {"crit": ["x"], "x": 1})
    yield "another algorithm than the key's", make(claims, {"alg": "ES256"})
    yield "no signature", make(claims, signature=b"")
    yield "a cut signature", right[:-8]
    yield "one changed bit in the signature", right[:-2] + ("A" if right[-2] != "A" else "B") + right[-1]
    yield "another body with the old signature", f"{head}.{other_body}.{signature}"
    yield "the attacker's issuer", evil.token(claims)
    yield "the attacker's issuer under our name", evil.token({**claims, "iss": issuer.url})
    yield "an issuer with a slash more", make({**claims, "iss": issuer.url + "/"})
    yield "another audience", make({**claims, "aud": "https://github.com/acme"})
    yield "no audience", make({**claims, "aud": None})
    yield "the audience among a thousand, misspelt", make({**claims, "aud": [AUDIENCE + "x"] * 100})
    yield "expired", make({**claims, "iat": now - 900, "nbf": now - 900, "exp": now - 600})
    yield "no exp", make({**claims, "exp": None})
    yield "not yet valid", make({**claims, "nbf": now + 3600, "exp": now + 7200})
    yield "issued in the future", make({**claims, "iat": now + 3600, "exp": now + 7200})
    yield "another repository", make(github(repository="evil/shop", repository_id="6666", repository_owner_id="6667"))
    yield "a repository of the same name with another id", make({**claims, "repository_id": "6666"})
    yield "an owner of the same name with another id", make({**claims, "repository_owner_id": "6666"})
    yield "claims that are a list", f"{head}.{encode(b'[]')}.{signature}"
    yield "nothing", ""
    yield "dots", ".."
    yield "a megabyte", "a" * (1 << 20)


def forged_tokens(tally, company):
    """Forgeries of Tarn's own tokens; how many."""
    server, admin = company.server, company.admin
    token, identity = tokens.make(server, admin, "victim", "job", PROJECT, scope="branch/victim")
    parts = token.split("_")
    forged = [token[:-1] + ("a" if token[-1] != "a" else "b"), "_".join([*parts[:2], parts[2][::-1], *parts[3:]]),
              "_".join([parts[0], "0" * len(parts[1]), *parts[2:]]), parts[0] + "_" + parts[1], token.upper(), token + " x",
              "", "tarn___", "null", token * 100]
    for number, text in enumerate(forged):
        answer = tokens.client(server, text, PROJECT).entries() if text else None
        tally.hold(answer is None, f"forged token {number} was accepted")
        tally.case()
    tally.hold(tokens.client(server, token, PROJECT).entries() is not None, "the right token is refused")
    answer = tokens.client(server, admin, PROJECT).ask("DELETE", f"/v1/tokens/{identity}")
    tally.hold(answer and answer[0] == 200, f"the revocation got {answer}")
    tally.hold(tokens.client(server, token, PROJECT).entries() is None, "a revoked token is still accepted")
    tally.case(2)
    return len(forged) + 2
