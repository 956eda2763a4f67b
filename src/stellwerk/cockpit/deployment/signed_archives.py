"""Deploying what was signed elsewhere: security level HIGH (cockpit-services 1.10, 2.9).

An archive that was exported for signing comes back with a signature beside each file: `<file>.sig`, in base64 or as it
is, and, unless it is that of the account, the certificate `<file>.pem`. The Cockpit checks what Controller and Agents
will check again, so that people learn here what is wrong: the signature, its signer, and that the text is still what
the inventory says. The bytes of a file are what was signed; they are sent as they are.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence

from cryptography import x509

from stellwerk.cockpit.api.errors import ApiError, FolderDenied
from stellwerk.cockpit.archives import Entry
from stellwerk.cockpit.deployment.deployer import SIGNED, Deployer, SignedObject
from stellwerk.cockpit.deployment.history import DeploymentError
from stellwerk.cockpit.deployment.keys import KeyMissing, NotAtThisLevel, SecurityLevel, SigningKeys, one_certificate
from stellwerk.cockpit.inventory.archive_objects import SIGNATURES, ArchivedObject, objects_of
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import Signature, SignatureVerifier, load_certificates, signature_of

_SIGNATURE, _PGP, _CERTIFICATE = ".sig", ".asc", ".pem"


class SignatureRefused(ApiError):
    """JOC-412: a file is not signed by somebody who is trusted, or has been changed."""

    def __init__(self, entry: str, message: str) -> None:
        super().__init__(f"{entry}: {message}", code="JOC-412", kind="JocSignatureVerificationException")


class SignedArchives:
    """Deploys archives with signatures."""

    def __init__(self, inventory: Inventory, deployer: Deployer, keys: SigningKeys) -> None:
        self._inventory = inventory
        self._deployer = deployer
        self._keys = keys

    def require_level(self) -> None:
        """Raises `NotAtThisLevel`: at other levels the Cockpit signs."""
        if self._keys.level is not SecurityLevel.HIGH:
            raise NotAtThisLevel("import_deploy", self._keys.level)

    async def deploy(
        self,
        account: str,
        controller_id: str,
        files: Sequence[Entry],
        algorithm: str,
        *,
        permitted: Callable[[str], bool],
    ) -> str:
        """Check and deploy the signed objects of an archive; gives the commit id.

        Raises `ImportFailure`, `SignatureRefused`, `DeploymentError`; then nothing has been sent.
        """
        signers = await self._keys.accepted_signers(account)
        if not signers:
            raise KeyMissing
        by_name = {file.name: file.data for file in files}
        objects = objects_of(file for file in files if not file.name.endswith(SIGNATURES))
        signatures = [_signature(item, by_name, algorithm, signers) for item in objects]
        commit_id = _commit_id(objects) or self._deployer.new_commit_id()
        sources = [await self._source(item, permitted) for item in objects]
        forms = await self._deployer.engine_forms(controller_id, sources, commit_id)
        changed = [item.entry for item, form in zip(objects, forms, strict=True) if form != item.configuration]
        if changed:
            raise DeploymentError(
                f"the inventory, or what it refers to, has changed since the export: {', '.join(changed)}; "
                "export and sign again"
            )
        signed = [
            SignedObject(source, by_name[item.entry].decode(), item.configuration, signature)
            for source, item, signature in zip(sources, objects, signatures, strict=True)
        ]
        await self._deployer.deploy_signed(account, controller_id, signed, commit_id)
        return commit_id

    async def _source(self, item: ArchivedObject, permitted: Callable[[str], bool]) -> StoredObject:
        if item.type not in SIGNED:
            raise DeploymentError(f"{item.entry}: objects of type {item.type.name} are deployed without a signature")
        source = await self._inventory.read(item.type, item.name)
        if not permitted(source.path):
            raise FolderDenied(source.folder)
        if not source.valid:
            raise DeploymentError(f"{source.path}: {source.invalid_message or 'it has no content'}")
        return source


def _commit_id(objects: Iterable[ArchivedObject]) -> str | None:
    """The version that all workflows share. Raises `DeploymentError`."""
    versions = {str(item.configuration.get("versionId")) for item in objects if item.type == ObjectType.WORKFLOW}
    if len(versions) > 1:
        raise DeploymentError("the workflows of the archive have different versions: they come from different exports")
    return next(iter(versions), None)


def _signature(
    item: ArchivedObject, files: Mapping[str, bytes], algorithm: str, signers: Sequence[x509.Certificate]
) -> Signature:
    """The signature beside a file, verified. Raises `SignatureRefused`."""
    if item.entry + _SIGNATURE not in files:
        if item.entry + _PGP in files:
            raise ApiError(
                f"{item.entry}{_PGP}: PGP signatures are not supported; sign with an X.509 certificate (RSA or ECDSA)",
                code="JOC-414",
                kind="JocUnsupportedKeyTypeException",
            )
        raise SignatureRefused(item.entry, f"there is no signature {item.entry}{_SIGNATURE}")
    pem = files.get(item.entry + _CERTIFICATE)
    certificate = (
        signers[0] if pem is None else load_certificates(one_certificate(pem.decode(errors="replace")).encode())[0]
    )
    signature = signature_of(_raw(files[item.entry + _SIGNATURE]), algorithm, certificate)
    try:
        SignatureVerifier(signers).verify(files[item.entry].decode(), signature)
    except UnicodeDecodeError:
        raise SignatureRefused(item.entry, "it is not UTF-8") from None
    except ProblemError as error:
        raise SignatureRefused(item.entry, str(error.problem)) from error
    return signature


def _raw(data: bytes) -> bytes:
    """A signature as bytes, from base64 with line breaks (`openssl base64`) or as it is."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return data
