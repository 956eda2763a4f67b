"""Logins by client certificates, alone and as a second factor (cockpit-services 7.1; cockpit-api 1.2)."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from authority import Authority
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from msgspec.structs import replace
from tests.cockpit.conftest import PASSWORD, Client, cockpit_configuration
from tests.cockpit.identity.conftest import SECRET, SERVICE, SHARED, People

from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.certificates import common_name

pytestmark = SHARED

CARDS = {"identityServiceName": "cards", "identityServiceType": "CERTIFICATE"}
JOC = {"identityServiceName": SERVICE, "identityServiceType": "JOC"}
VIEW = "sos:products:controller:view"


class Company:
    """A Cockpit that trusts one authority, and people with and without certificates."""

    def __init__(self, people: People, authority: Authority) -> None:
        self.people = people
        self.authority = authority
        self.login_url = f"{people.root.base}/joc/api/authentication/login"

    def context(self, certificate: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.path))
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    async def login(
        self, certificate: Path | None, account: str | None = None, password: str = ""
    ) -> tuple[int, dict[str, Any]]:
        headers = {} if account is None else {"Authorization": aiohttp.encode_basic_auth(account, password)}
        connector = aiohttp.TCPConnector(ssl=self.context(certificate))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(self.login_url, headers=headers) as response,
        ):
            return response.status, await response.json()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cockpit_with_tls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Company]:
    directory = tmp_path_factory.mktemp("certificates")
    authority = Authority(directory, "company")
    configuration = replace(
        cockpit_configuration(directory / "data"),
        certificate=authority.pem("cockpit"),
        certificate_authorities=authority.path,
    )
    cockpit = Cockpit(configuration)
    await cockpit.start()
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(authority.path)))
    async with aiohttp.ClientSession(connector=connector) as session:
        nobody = People(Client(session, f"https://127.0.0.1:{cockpit.port}", ""))
        people = People(await nobody.enter("root", PASSWORD))
        await people.account("anna", await people.role("viewer", VIEW))
        yield Company(people, authority)
    await cockpit.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def company(cockpit_with_tls: Company) -> AsyncIterator[Company]:
    root = cockpit_with_tls.people.root
    await root.post("iam/identityservice/store", CARDS)
    yield cockpit_with_tls
    await root.post("iam/identityservice/store", JOC)
    await root.post("iam/identityservice/delete", {"identityServiceName": "cards"})


async def let_in_with_card(company: Company, account: str) -> None:
    root, of_service = company.people.root, {"identityServiceName": "cards"}
    await root.post("iam/role/store", {**of_service, "roleName": "holder"})
    permissions = [{"permissionPath": VIEW}]
    await root.post("iam/permissions/store", {**of_service, "roleName": "holder", "permissions": permissions})
    await root.post("iam/account/store", {**of_service, "accountName": account, "roles": ["holder"]})


async def test_the_common_name_is_the_account(company: Company) -> None:
    await let_in_with_card(company, "anna")
    card = company.authority.pem("anna")
    for account in (None, "", "anna"):
        status, answer = await company.login(card, account)
        assert status == 200, answer
        assert (answer["account"], answer["role"], answer["identityService"]) == ("anna", "holder", "CERTIFICATE:cards")
    await company.people.root.post("iam/blockedAccount/store", {"accountName": "anna"})
    assert "Account is blocked" in (await company.login(card))[1]["message"]
    await company.people.root.post("iam/blockedAccounts/delete", {"accountNames": ["anna"]})


async def test_a_certificate_is_nobody_else_s(company: Company, tmp_path: Path) -> None:
    await let_in_with_card(company, "anna")
    berta = company.authority.pem("berta")
    status, answer = await company.login(berta, "anna")
    assert status == 401 and "of another account" in answer["message"]
    assert (await company.login(berta))[0] == 401
    assert "wrong password" in (await company.login(None, "anna", "wrong"))[1]["message"]
    assert (await company.login(None))[0] == 401
    # With her own password somebody else's certificate does no harm.
    assert (await company.login(berta, "anna", SECRET))[1]["identityService"] == f"JOC:{SERVICE}"


@pytest.mark.parametrize("wrong", ["expired", "of another authority"])
async def test_a_certificate_that_is_not_valid_does_not_even_connect(
    company: Company, tmp_path: Path, wrong: str
) -> None:
    await let_in_with_card(company, "anna")
    if wrong == "expired":
        card = company.authority.pem("anna", is_expired=True)
    else:
        card = Authority(tmp_path, "somebody").pem("anna")
    with pytest.raises(aiohttp.ClientError):
        await company.login(card, "anna")


async def test_a_certificate_as_second_factor(company: Company) -> None:
    root = company.people.root
    await root.post("iam/identityservice/store", {**CARDS, "secondFactor": True})
    both = {**JOC, "serviceAuthenticationScheme": "TWO-FACTOR", "secondFactorIdentityServiceName": "cards"}
    await root.post("iam/identityservice/store", both)
    anna, berta = company.authority.pem("anna"), company.authority.pem("berta")
    status, answer = await company.login(anna, "anna", SECRET)
    assert status == 200 and answer["role"] == "viewer", answer
    for certificate, password, reason in (
        (None, SECRET, "needs a client certificate"),
        (berta, SECRET, "of another account"),
        (anna, "wrong", "wrong password"),
        # The certificate alone is the second factor, not the first.
        (anna, "", "wrong password"),
    ):
        status, answer = await company.login(certificate, "anna", password)
        assert status == 401 and reason in answer["message"], answer
    await root.post("iam/identityservice/store", {**CARDS, "secondFactor": True, "disabled": True})
    status, answer = await company.login(anna, "anna", SECRET)
    assert status == 401 and "second factor" in answer["message"]


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({**JOC, "serviceAuthenticationScheme": "TWO-FACTOR", "required": True}, "no second factor"),
        ({**JOC, "secondFactor": True}, "can be a second factor"),
        ({**CARDS, "secondFactor": True, "required": True}, "cannot be required"),
        ({**CARDS, "serviceAuthenticationScheme": "TWO-FACTOR", "secondFactorIdentityServiceName": "cards"}, "is no"),
    ],
)
async def test_second_factors_that_cannot_work_are_refused(
    company: Company, service: dict[str, Any], said: str
) -> None:
    refused = await company.people.root.post("iam/identityservice/store", service, status=420)
    assert said in refused["error"]["message"]


async def test_a_certificate_without_one_plain_common_name_names_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    authority_free = x509.CertificateBuilder().serial_number(1).public_key(key.public_key())

    def named(*names: str) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one) for one in names])
        builder = authority_free.subject_name(name).issuer_name(name).not_valid_before(datetime(2026, 1, 1))
        built = builder.not_valid_after(datetime(2026, 1, 1) + timedelta(days=1)).sign(key, hashes.SHA256())
        return built.public_bytes(Encoding.DER)

    assert common_name(named("anna")) == "anna"
    for names in ((), ("anna", "root"), (" anna",), ("an\nna",)):
        assert common_name(named(*names)) is None
    assert common_name(None) is None
