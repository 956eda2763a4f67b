"""Values for the Agents of a certificate (cockpit-services 10.5); small helps for authors."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from stellwerk.wire.signatures import SigningKey

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "pass wörd"


def decrypted(value: str, key: SigningKey, folder: Path) -> str:
    """As a job does it, with other programs than ours."""
    assert value.startswith("enc:")
    wrapped, vector, cipher = (base64.b64decode(part) for part in value[4:].split(" "))
    private_key = load_pem_private_key(key.private_pem(), None)
    assert isinstance(private_key, rsa.RSAPrivateKey)
    aes = private_key.decrypt(wrapped, padding.PKCS1v15())
    arguments = ["openssl", "enc", "-d", f"-aes-{len(aes) * 8}-cbc", "-K", aes.hex(), "-iv", vector.hex()]
    return subprocess.run(arguments, input=cipher, capture_output=True, check=True).stdout.decode()


async def test_a_value_is_encrypted_for_who_has_the_private_key(registered: Any, client: Any, tmp_path: Path) -> None:
    key = SigningKey.generate("agents", NOW, algorithm="RSA")
    certificate = key.certificate_pem().decode()
    request = {
        "certAlias": "agents-key",
        "certificate": certificate,
        "privateKeyPath": "/etc/agents.key",
        "jobResourceFolder": "/secrets",
    }
    await client.post("encipherment/certificate/store", request)
    # The certificate is brought to jobs.
    [resource] = registered.signed_items()
    assert resource["path"] == "agents-key" and set(resource["variables"]) == {
        "encipherment_certificate",
        "encipherment_private_key_path",
    }
    shown = await client.post("encipherment/certificate", {"certAliases": ["agents-key"]})
    [item] = shown["certificates"]
    assert item["certificate"] == certificate and item["privateKeyPath"] == "/etc/agents.key"
    for chosen in ({"certAlias": "agents-key"}, {"certificate": certificate}):
        answers = [await client.post("encipherment/encrypt", {"toEncrypt": SECRET, **chosen}) for _ in range(2)]
        values = [answer["encryptedValue"] for answer in answers]
        assert values[0] != values[1]
        assert [decrypted(value, key, tmp_path) for value in values] == [SECRET, SECRET]
    await client.post("encipherment/assignment/add", {"agentId": "agent-1", "certAlias": "agents-key"})
    mappings = (await client.post("encipherment/assignment", {"agentIds": ["agent-1"]}))["mappings"]
    assert mappings == [{"certAlias": "agents-key", "agentId": ["agent-1"]}]
    ecdsa = SigningKey.generate("other", NOW).certificate_pem().decode()
    for path, wrong, code in (
        ("encrypt", {"toEncrypt": "x"}, "JOC-400"),
        ("encrypt", {"toEncrypt": "x", "certAlias": "unknown"}, "JOC-002"),
        ("encrypt", {"toEncrypt": "x", "certificate": ecdsa}, "JOC-414"),
        ("encrypt", {"toEncrypt": "x", "certificate": "nonsense"}, "JOC-416"),
        ("certificate/store", {**request, "certAlias": "a b"}, "JOC-400"),
        ("certificate/delete", {"certAlias": "unknown"}, "JOC-002"),
        ("assignment/add", {"agentId": "unknown", "certAlias": "agents-key"}, "JOC-403"),
        ("assignment/add", {"agentId": "agent-1", "certAlias": "unknown"}, "JOC-002"),
    ):
        refused = await client.post(f"encipherment/{path}", wrong, status=420)
        assert refused["error"]["code"] == code, (path, refused)
    await client.post("encipherment/assignment/remove", {"agentId": "agent-1", "certAlias": "agents-key"})
    assert (await client.post("encipherment/assignment", {"certAliases": ["agents-key"]}))["mappings"] == []
    await client.post("encipherment/certificate/delete", {"certAlias": "agents-key"})
    assert (await client.post("encipherment/certificate", {}))["certificates"] == []


async def test_authors_are_helped_with_small_things(client: Any) -> None:
    for text, is_valid in (("$x == 1 && !$y", True), ("$x ==", False), ("", False), ("$epochMilli > 0", True)):
        answer = await client.post("inventory/validate/predicate", text.encode())
        assert answer["valid"] is is_valid and ("invalidMsg" in answer) is not is_valid
    await client.post("inventory/validate/predicate", b"\xff", status=420)
    assert (await client.post("inventory/wizard/jobs"))["jobs"] == []
    await client.post("inventory/wizard/job", {"assignReference": "JITL"}, status=420)
    content = {"workflowNames": ["W"]}
    await client.post("inventory/store", {"path": "/S", "objectType": "SCHEDULE", "configuration": content})
    await client.post(
        "inventory/store", {"path": "/W", "objectType": "WORKFLOW", "configuration": {"instructions": []}}
    )
    await client.post("inventory/dependencies/update")
    found = await client.post("inventory/workflow/references", {"path": "W"})
    assert [item["path"] for item in found["schedules"]] == ["/S"]
