"""Logins with devices (WebAuthn), alone and as a second factor (cockpit-services 7.1, type FIDO)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from soft_authenticator import SoftAuthenticator
from tests.cockpit.conftest import Client
from tests.cockpit.identity.conftest import SECRET, SERVICE, SHARED, People

pytestmark = SHARED

KEYS = {"identityServiceName": "keys"}
JOC = {"identityServiceName": SERVICE, "identityServiceType": "JOC"}
ORIGIN = "https://cockpit.example"
VIEW = "sos:products:controller:view"


class Devices:
    """The identity service for devices at the Cockpit."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.root = people.root
        self.nobody = Client(people.root.session, people.root.base, "")

    async def create(self, *, second_factor: bool = False, **settings: Any) -> None:
        service = {**KEYS, "identityServiceType": "FIDO", "secondFactor": second_factor}
        await self.root.post("iam/identityservice/store", service)
        await self.root.post("iam/role/store", {**KEYS, "roleName": "holder"})
        permissions = [{"permissionPath": VIEW}]
        await self.root.post("iam/permissions/store", {**KEYS, "roleName": "holder", "permissions": permissions})
        if settings:
            key = {"configurationType": "IAM", "objectType": "FIDO", "name": "keys"}
            item = msgspec.json.encode({"fido": settings}).decode()
            await self.root.post("configuration/save", {**key, "configurationItem": item})

    async def register(
        self, account: str, device: SoftAuthenticator, *, status: int = 200, **changes: Any
    ) -> dict[str, Any]:
        request = {**KEYS, "accountName": account}
        begun = await self.nobody.post("iam/fidoregistration/request_registration_start", request)
        body = {**request, **device.create(begun, **changes)}
        return dict(await self.nobody.post("iam/fidoregistration/request_registration", body, status=status))

    async def approve(self, account: str, origin: str = ORIGIN) -> None:
        named = {**KEYS, "accounts": [{"accountName": account, "origin": origin}]}
        await self.root.post("iam/fidoregistration/approve", named)

    async def holder(self, account: str) -> SoftAuthenticator:
        """Somebody with a device that is let in."""
        device = SoftAuthenticator(ORIGIN)
        await self.register(account, device)
        await self.approve(account)
        await self.root.post("iam/account/store", {**KEYS, "accountName": account, "roles": ["holder"]})
        return device

    async def challenge(self, account: str | None = None) -> dict[str, Any]:
        request = {**KEYS, "origin": ORIGIN, **({"accountName": account} if account else {})}
        return dict(await self.nobody.post("iam/fido/request_authentication", request))

    async def login(self, headers: dict[str, str], service: str | None = "keys") -> tuple[int, dict[str, Any]]:
        chosen = {} if service is None else {"X-IDENTITY-SERVICE": service}
        url = f"{self.root.base}/joc/api/authentication/login"
        async with self.root.session.post(url, headers={**chosen, **headers}) as response:
            return response.status, await response.json()

    async def refused(self, headers: dict[str, str], reason: str = "has proven nothing") -> None:
        status, answer = await self.login(headers)
        assert status == 401 and reason in answer["message"], answer


@pytest_asyncio.fixture(loop_scope="module")
async def devices(shared_people: People) -> AsyncIterator[Devices]:
    yield Devices(shared_people)
    await shared_people.root.post("iam/identityservice/store", JOC)
    await shared_people.root.post("iam/identityservice/delete", KEYS)


async def test_a_device_logs_in_after_somebody_has_approved_it(devices: Devices) -> None:
    await devices.create()
    device = SoftAuthenticator(ORIGIN)
    registered = await devices.register("anna", device, email="anna@example.com")
    await devices.refused(device.sign(await devices.challenge("anna")))
    (waiting,) = (await devices.root.post("iam/fidoregistrations", KEYS))["fidoRegistrationItems"]
    assert (waiting["accountName"], waiting["origin"], waiting["deferred"]) == ("anna", ORIGIN, False)
    assert waiting["fingerprint"] == registered["fingerprint"]
    named = {**KEYS, "accounts": [{"accountName": "anna", "origin": ORIGIN}]}
    await devices.root.post("iam/fidoregistration/deferr", named)
    (waiting,) = (await devices.root.post("iam/fidoregistrations", KEYS))["fidoRegistrationItems"]
    assert waiting["deferred"]
    await devices.approve("anna")
    assert (await devices.root.post("iam/fidoregistrations", KEYS))["fidoRegistrationItems"] == []
    # The account exists, and may do nothing until it is given a role.
    await devices.refused(device.sign(await devices.challenge("anna")), "no role assignment found")
    await devices.root.post("iam/account/store", {**KEYS, "accountName": "anna", "roles": ["holder"]})
    for account in ("anna", None):
        status, answer = await devices.login(device.sign(await devices.challenge(account)))
        assert status == 200, answer
        assert (answer["account"], answer["role"], answer["identityService"]) == ("anna", "holder", "FIDO:keys")


async def test_what_is_not_signed_as_asked_proves_nothing(devices: Devices) -> None:
    await devices.create()
    anna, berta = await devices.holder("anna"), await devices.holder("berta")
    used = anna.sign(await devices.challenge("anna"))
    assert (await devices.login(used))[0] == 200
    await devices.refused(used)  # its challenge is used up
    challenge = await devices.challenge("anna")
    await devices.refused(anna.sign({**challenge, "challenge": "another"}))
    await devices.refused(anna.sign({**await devices.challenge("anna"), "requestId": "another"}))
    await devices.refused(berta.sign(await devices.challenge("anna")))
    as_anna = {"X-CREDENTIAL-ID": anna.sign(challenge)["X-CREDENTIAL-ID"]}
    await devices.refused(berta.sign(await devices.challenge("anna"), **as_anna))
    for name in ("X-SIGNATURE", "X-AUTHENTICATOR-DATA", "X-CLIENT-DATA-JSON", "X-CREDENTIAL-ID", "X-REQUEST-ID"):
        for wrong in ("", "AAAA", "é!"):
            await devices.refused(anna.sign(await devices.challenge("anna"), **{name: wrong}))
    begun = await devices.nobody.post(
        "iam/fidoregistration/request_registration_start", {**KEYS, "accountName": "anna"}
    )
    await devices.refused(anna.sign(begun))  # a challenge for something else
    assert (await devices.login(anna.sign(await devices.challenge("anna"))))[0] == 200


async def test_a_page_elsewhere_a_copy_and_a_found_device_do_not_log_in(devices: Devices) -> None:
    await devices.create()
    anna = await devices.holder("anna")
    anna.origin, anna.host = "https://cockpit.evil", "cockpit.evil"
    await devices.refused(anna.sign(await devices.challenge("anna")))
    anna.origin, anna.host = ORIGIN, "cockpit.example"
    anna.verifies = False
    await devices.refused(anna.sign(await devices.challenge("anna")))
    anna.verifies = True
    assert (await devices.login(anna.sign(await devices.challenge("anna"))))[0] == 200
    anna.count -= 1  # as that of a copy
    await devices.refused(anna.sign(await devices.challenge("anna")))


async def test_devices_that_cannot_be_trusted_are_not_registered(devices: Devices) -> None:
    await devices.create(iamFidoRequireAccount=True)
    for origin in ("http://cockpit.example", "https://cockpit.example/ui", "https://u@cockpit.example", "x", ""):
        refused = await devices.register("anna", SoftAuthenticator(origin), status=420)
        assert "no origin of a secure page" in refused["error"]["message"]
    elsewhere = await devices.register("anna", SoftAuthenticator("https://evil.example"), status=420, origin=ORIGIN)
    assert "cannot be registered" in elsewhere["error"]["message"]
    await devices.register("anna", SoftAuthenticator(ORIGIN), status=420, attestationObject="AAAA")
    unverified = SoftAuthenticator(ORIGIN)
    unverified.verifies = False
    await devices.register("anna", unverified, status=420)
    first = await devices.register("anna", SoftAuthenticator(ORIGIN))
    # Another one does not take the place of the one that is about to be approved.
    second = await devices.register("anna", SoftAuthenticator(ORIGIN), status=420)
    assert "waits for approval already" in second["error"]["message"]
    (waiting,) = (await devices.root.post("iam/fidoregistrations", KEYS))["fidoRegistrationItems"]
    assert waiting["fingerprint"] == first["fingerprint"]
    named = {**KEYS, "accounts": [{"accountName": "anna", "origin": ORIGIN}]}
    refused = await devices.root.post("iam/fidoregistration/approve", named, status=420)
    assert "no account 'anna'" in refused["error"]["message"]
    await devices.root.post("iam/fidoregistration/delete", named)
    await devices.root.post("iam/fidoregistration/delete", named, status=420)


async def test_an_answer_does_not_tell_which_accounts_have_devices(devices: Devices) -> None:
    await devices.create()
    await devices.holder("anna")
    known, unknown = await devices.challenge("anna"), await devices.challenge("nobody")
    assert [len(one) for one in known["credentialIds"]] == [len(one) for one in unknown["credentialIds"]] == [43]
    assert (await devices.challenge("nobody"))["credentialIds"] == unknown["credentialIds"]
    assert (await devices.challenge())["credentialIds"] == []


async def test_people_add_devices_of_their_own_and_lose_them(devices: Devices) -> None:
    await devices.create()
    device = await devices.holder("anna")
    await devices.holder("berta")
    _, answer = await devices.login(device.sign(await devices.challenge("anna")))
    anna = Client(devices.root.session, devices.root.base, answer["accessToken"])

    async def add(account: str, new: SoftAuthenticator, status: int) -> None:
        begun = await anna.post("iam/fidoregistration/request_registration_start", {**KEYS, "accountName": account})
        await anna.post("iam/fido/add_device", {**KEYS, "accountName": account, **new.create(begun)}, status=status)

    second = SoftAuthenticator(ORIGIN)
    await add("anna", second, 200)
    await add("berta", SoftAuthenticator(ORIGIN), 403)
    await add("nobody", SoftAuthenticator(ORIGIN), 403)
    await add("anna", second, 420)
    assert (await devices.login(second.sign(await devices.challenge("anna"))))[0] == 200
    await anna.post("iam/fido/remove_devices", {**KEYS, "accountName": "berta"}, status=403)
    await devices.root.post("iam/fido/remove_devices", {**KEYS, "accountName": "anna"})
    await anna.post("touch", status=440)
    for lost in (device, second):
        await devices.refused(lost.sign(await devices.challenge("anna")))


async def test_a_device_as_second_factor(devices: Devices) -> None:
    await devices.create(second_factor=True)
    people, root = devices.people, devices.root
    await people.account("anna", await people.role("viewer", VIEW))
    device, berta = await devices.holder("anna"), await devices.holder("berta")
    device.verifies = False  # the password is what its holder knows
    both = {**JOC, "serviceAuthenticationScheme": "TWO-FACTOR", "secondFactorIdentityServiceName": "keys"}
    await root.post("iam/identityservice/store", both)
    async with await people.login("anna", SECRET) as response:
        first = await response.json()
        assert (response.status, first["isAuthenticated"], first["accessToken"]) == (200, True, "")
        assert first["message"] == "Second factor needed" and first["secondFactoridentityService"] == "keys"
        assert first["identityService"] == f"JOC:{SERVICE}" and "X-Access-Token" not in response.headers
    step = {"X-1ST-IDENTITY-SERVICE": SERVICE}
    async with await people.login("anna", SECRET, **step, **device.sign(await devices.challenge("anna"))) as response:
        answer = await response.json()
        assert (response.status, answer["account"], answer["role"]) == (200, "anna", "viewer"), answer
    assert "wrong password" in await people.refusal("anna", "wrong", **step, **device.sign(await devices.challenge()))
    assert "Access denied" in await people.refusal("anna", SECRET, **step, **berta.sign(await devices.challenge()))
    # The second factor is none of its own, whether it is chosen or not.
    for service in ("keys", None):
        status, answer = await devices.login(device.sign(await devices.challenge("anna")), service)
        assert status == 401 and "of type FIDO" in answer["message"], answer
    assert "wrong password" in await people.refusal("anna", "wrong")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"iamFidoUserVerification": "MAYBE"}, "DISCOURAGED"),
        ({"iamFidoTransports": ["PIGEON"]}, "BLE"),
        ({"iamFidoTimeout": 0}, "300000"),
    ],
)
async def test_settings_that_cannot_work_are_told_when_they_are_used(
    devices: Devices, settings: dict[str, Any], said: str
) -> None:
    await devices.create(**settings)
    refused = await devices.nobody.post("iam/identity_fido_client", KEYS, status=420)
    assert said in refused["error"]["message"]
