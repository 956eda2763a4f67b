"""Logins through a real OpenID Connect provider (cockpit-services 7.1, types OIDC and OIDC-JOC)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey
from oidc_provider import CLIENT_ID, SECRET, OidcProvider
from tests.cockpit.identity.conftest import SERVICE, SHARED, People

pytestmark = SHARED

OF_SERVICE = {"identityServiceName": "sign-on"}
VIEW = "sos:products:controller:view"
REDIRECT = "https://cockpit.example/ui/"
NAMED = {"X-IDENTITY-SERVICE": "sign-on"}


@pytest.fixture(scope="module")
def running_provider() -> Iterator[OidcProvider]:
    provider = OidcProvider()
    provider.redirect_uris = [REDIRECT]
    provider.start()
    yield provider
    provider.stop()


class SignOn:
    """The identity service at the Cockpit, and a browser that goes to the provider and comes back."""

    def __init__(self, people: People, provider: OidcProvider) -> None:
        self.people = people
        self.provider = provider

    async def create(self, type_: str = "OIDC", **members: Any) -> None:
        root = self.people.root
        self.service = {**OF_SERVICE, "identityServiceType": type_}
        await root.post("iam/identityservice/store", self.service)
        await root.post("iam/role/store", {**OF_SERVICE, "roleName": "operator"})
        row = {"permissionPath": VIEW}
        await root.post("iam/permissions/store", {**OF_SERVICE, "roleName": "operator", "permissions": [row]})
        document = {
            "iamOidcClientId": CLIENT_ID,
            "iamOidcClientSecret": SECRET,
            "iamOidcAuthenticationUrl": self.provider.url,
            "iamOidcName": "Company sign-on",
            "iamOidcGroupRolesMap": {"items": [{"oidcGroup": "operators", "roles": ["operator"]}]},
            **members,
        }
        key = {"configurationType": "IAM", "objectType": type_, "name": "sign-on"}
        item = msgspec.json.encode({"oidc": document}).decode()
        await root.post("configuration/save", {**key, "configurationItem": item})

    async def come_back(self, *, asks_for_nonce: bool = True) -> dict[str, str]:
        """To the provider and back: the body of the login."""
        told = await self.people.root.post("iam/identityclient", OF_SERVICE)
        verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": told["iamOidcClientId"],
            "redirect_uri": REDIRECT,
            "scope": " ".join(told["scopes"]),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"nonce": nonce} if asks_for_nonce else {}),
        }
        url = f"{told['authorizationEndpoint']}?{urlencode(query)}"
        async with self.people.root.session.get(url, allow_redirects=False) as response:
            assert response.status == 302, await response.text()
            back = parse_qs(urlsplit(response.headers["Location"]).query)
        assert back["state"] == [state]
        return {"code": back["code"][0], "redirect_uri": REDIRECT, "code_verifier": verifier, "nonce": nonce}

    async def login(self, body: dict[str, str]) -> tuple[int, dict[str, Any]]:
        root = self.people.root
        url = f"{root.base}/joc/api/authentication/login"
        async with root.session.post(url, headers=NAMED, json=body) as response:
            return response.status, await response.json()

    async def refusal(self, **changes: str) -> str:
        status, answer = await self.login({**await self.come_back(), **changes})
        assert status == 401 and "accessToken" not in answer, answer
        return str(answer["message"])


@pytest_asyncio.fixture(loop_scope="module")
async def sign_on(shared_people: People, running_provider: OidcProvider) -> AsyncIterator[SignOn]:
    fresh = dict(vars(running_provider))
    yield SignOn(shared_people, running_provider)
    vars(running_provider).update(fresh)
    await shared_people.root.post("iam/identityservice/delete", OF_SERVICE)


async def test_a_code_becomes_a_session_with_the_roles_of_groups(sign_on: SignOn) -> None:
    await sign_on.create()
    status, answer = await sign_on.login(await sign_on.come_back())
    assert status == 200, answer
    assert (answer["account"], answer["role"], answer["identityService"]) == ("anna", "operator", "OIDC:sign-on")
    for name in ("an\nna", "a" * 256):
        sign_on.provider.person = {"sub": "1", "preferred_username": name, "groups": ["operators"]}
        assert "cannot be used" in await sign_on.refusal()
    sign_on.provider.person = {"sub": "2", "preferred_username": "berta", "groups": ["others"]}
    assert "no role assignment found" in await sign_on.refusal()


async def test_the_login_page_is_told_of_providers_and_of_no_secret(sign_on: SignOn) -> None:
    await sign_on.create()
    url = f"{sign_on.people.root.base}/joc/api/iam/"
    async with sign_on.people.root.session.post(url + "identityproviders") as response:
        told = await response.text()
    items = msgspec.json.decode(told)["oidcServiceItems"]
    assert items == [
        {"identityServiceName": "sign-on", "identityServiceType": "OIDC", "iamOidcName": "Company sign-on"}
    ]
    async with sign_on.people.root.session.post(url + "identityclient", json=OF_SERVICE) as response:
        client = await response.text()
    assert SECRET not in told + client
    await sign_on.people.root.post("iam/identityservice/store", {**sign_on.service, "disabled": True})
    assert (await sign_on.people.root.post("iam/identityproviders"))["oidcServiceItems"] == []
    await sign_on.people.root.post("iam/identityclient", OF_SERVICE, status=420)


async def test_a_code_is_good_once_and_only_with_its_verifier_place_and_nonce(sign_on: SignOn) -> None:
    await sign_on.create()
    body = await sign_on.come_back()
    assert (await sign_on.login(body))[0] == 200
    assert (await sign_on.login(body))[0] == 401
    for changes in (
        {"code_verifier": secrets.token_urlsafe(32)},
        {"redirect_uri": "https://elsewhere.example/"},
        {"nonce": "another"},
        {"code": "guessed"},
    ):
        assert "has proven nothing" in await sign_on.refusal(**changes)
    without = await sign_on.come_back()
    del without["nonce"]
    assert (await sign_on.login(without))[0] == 401
    status, answer = await sign_on.login({"code": "x", "redirect_uri": REDIRECT})
    assert status == 420 and "code_verifier" in answer["error"]["message"]
    # A login in which nobody has asked for a nonce is protected by the verifier alone.
    plain = await sign_on.come_back(asks_for_nonce=False)
    del plain["nonce"]
    assert (await sign_on.login(plain))[0] == 200


_other_key = RSAKey.generate_key(2048, {"kid": "one"})
Alter = Callable[[dict[str, Any], dict[str, Any], Any], tuple[Any, Any, Any]]


def _claims(**changes: Any) -> Alter:
    def alter(header: dict[str, Any], claims: dict[str, Any], key: Any) -> tuple[Any, Any, Any]:
        changed = {name: value(claims) if callable(value) else value for name, value in changes.items()}
        return header, {name: value for name, value in {**claims, **changed}.items() if value is not None}, key

    return alter


def _signed_with_public_key(header: dict[str, Any], claims: dict[str, Any], key: Any) -> tuple[Any, Any, Any]:
    return {**header, "alg": "HS256"}, claims, key.as_pem(private=False)


BAD_TOKENS: dict[str, Alter] = {
    "another issuer": _claims(iss="https://evil.example"),
    "another audience": _claims(aud="another client"),
    "several audiences without the party": _claims(aud=[CLIENT_ID, "another"]),
    "for another party": _claims(azp="another client"),
    "expired": _claims(exp=lambda claims: claims["iat"] - 120),
    "without expiry": _claims(exp=None),
    "issued long ago": _claims(iat=lambda claims: claims["iat"] - 7200),
    "not valid yet": _claims(nbf=lambda claims: claims["iat"] + 3600),
    "without nonce": _claims(nonce=None),
    "another nonce": _claims(nonce="another"),
    "without subject": _claims(sub=None),
    "another key": lambda header, claims, key: (header, claims, _other_key),
    "the public key as a secret": _signed_with_public_key,
    "no signature": lambda header, claims, key: ({**header, "alg": "none"}, claims, b""),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_token_that_is_not_right_proves_nothing(sign_on: SignOn, name: str) -> None:
    await sign_on.create()
    sign_on.provider.alter = BAD_TOKENS[name]
    assert "has proven nothing" in await sign_on.refusal()


async def test_groups_and_account_may_be_in_what_the_provider_says_of_the_person(sign_on: SignOn) -> None:
    await sign_on.create(iamOidcGroupClaims=["realm.roles"])
    provider = sign_on.provider
    provider.person = {"sub": "1", "preferred_username": "anna", "realm": {"roles": ["operators"]}}
    provider.only_in_userinfo = ("preferred_username", "realm")
    status, answer = await sign_on.login(await sign_on.come_back())
    assert (status, answer["account"], answer["role"]) == (200, "anna", "operator")


async def test_an_address_that_is_not_verified_is_no_account(sign_on: SignOn) -> None:
    await sign_on.create(iamOidcUserAttribute="email")
    person = {"sub": "1", "email": "anna@example.com", "groups": ["operators"]}
    sign_on.provider.person = {**person, "email_verified": False}
    assert "has proven nothing" in await sign_on.refusal()
    sign_on.provider.person = {**person, "email_verified": True}
    assert (await sign_on.login(await sign_on.come_back()))[1]["account"] == "anna@example.com"


async def test_oidc_joc_takes_accounts_and_roles_from_the_database(sign_on: SignOn) -> None:
    await sign_on.create("OIDC-JOC")
    root = sign_on.people.root
    assert "there is no account 'anna' here" in await sign_on.refusal()
    await root.post("iam/account/store", {**OF_SERVICE, "accountName": "anna", "roles": ["operator"]})
    status, answer = await sign_on.login(await sign_on.come_back())
    assert (status, answer["role"], answer["forcePasswordChange"]) == (200, "operator", False)
    await root.post("iam/blockedAccount/store", {"accountName": "anna"})
    assert "Account is blocked" in await sign_on.refusal()
    await root.post("iam/blockedAccounts/delete", {"accountNames": ["anna"]})


async def test_a_provider_that_says_it_is_another_or_is_away_lets_nobody_in(sign_on: SignOn) -> None:
    await sign_on.create()
    body = await sign_on.come_back()
    key = {"configurationType": "IAM", "objectType": "OIDC", "name": "sign-on"}
    for url in (f"http://localhost:{urlsplit(sign_on.provider.url).port}", "http://127.0.0.1:9"):
        document = {"iamOidcClientId": CLIENT_ID, "iamOidcAuthenticationUrl": url}
        item = msgspec.json.encode({"oidc": document}).decode()
        await sign_on.people.root.post("configuration/save", {**key, "configurationItem": item})
        status, answer = await sign_on.login(body)
        assert status == 401 and "cannot be asked now" in answer["message"]
        await sign_on.people.root.post("iam/identityclient", OF_SERVICE, status=401)


async def test_passwords_and_id_tokens_of_clients_do_not_pass(sign_on: SignOn) -> None:
    await sign_on.create("OIDC-JOC")
    people, root = sign_on.people, sign_on.people.root
    account = {**OF_SERVICE, "accountName": "anna", "password": "a password", "roles": ["operator"]}
    await root.post("iam/account/store", account)
    assert "id tokens are not taken" in await people.refusal("anna", "a password", **NAMED)
    assert "wrong password" in await people.refusal("anna", "a password")
    url = f"{root.base}/joc/api/authentication/login"
    async with root.session.post(url, headers={**NAMED, "X-ID-TOKEN": "x", "X-OPENID-CONFIGURATION": "{}"}) as answer:
        assert answer.status == 401
    async with root.session.post(url, headers={"X-IDENTITY-SERVICE": SERVICE}, json=await sign_on.come_back()) as other:
        assert other.status == 401 and "of type OIDC" in (await other.json())["message"]


async def test_a_service_that_people_choose_cannot_be_required(sign_on: SignOn) -> None:
    service = {**OF_SERVICE, "identityServiceType": "OIDC"}
    await sign_on.people.root.post("iam/identityservice/store", service)
    refused = await sign_on.people.root.post("iam/identityservice/store", {**service, "required": True}, status=420)
    assert "cannot be required" in refused["error"]["message"]
