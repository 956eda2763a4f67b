"""Id tokens of OpenID Connect: signature by one of the provider's keys, issuer, audience, life time, nonce. Pure.

Algorithms are pinned to public-key signatures: with `none`, or with `HS256` and the public key as its secret, anybody
could sign. Imports of Authlib are heavy, so they happen at the first token.
"""

from __future__ import annotations

from typing import Any

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
#: Clocks of provider and Cockpit may differ by that many seconds.
LEEWAY_SECONDS = 60
#: A token is used at once; one that was issued longer ago than that is not taken.
MAXIMUM_AGE_SECONDS = 600


class TokenRefused(Exception):
    """The token does not prove anything; says why, for the log."""


def read_id_token(
    token: str, keys: Any, *, issuer: str, client_id: str, nonce: str | None, access_token: str | None, now: int
) -> dict[str, Any]:
    """The claims of a valid token; raises `TokenRefused`.

    `keys`: the provider's JSON Web Key Set. `nonce`: what the client has sent along; a token that carries one must
    carry this one. `now`: seconds since 1970.
    """
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    usable = [key for key in keys.get("keys", ()) if isinstance(key, dict) and _can_sign(key)] if keys else []
    try:
        decoded = jwt.decode(token, KeySet.import_key_set({"keys": usable}), algorithms=list(ALGORITHMS))
        if nonce is None and "nonce" in decoded.claims:
            raise TokenRefused("the token carries a nonce, and the login has not told which one it sent")
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client_id},
                "exp": {"essential": True},
                "iat": {"essential": True},
            },
            params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
        )
        claims.validate(now=now, leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenRefused(f"the id token is not valid: {type(error).__name__}: {error}") from error
    if claims["iat"] < now - MAXIMUM_AGE_SECONDS:
        raise TokenRefused("the id token was issued long ago")
    return dict(claims)


def _can_sign(key: dict[str, Any]) -> bool:
    return key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
