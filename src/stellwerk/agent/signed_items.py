"""Items are trusted where they are used: Director and Subagent both verify the signature (orders spec 7.4)."""

from __future__ import annotations

import msgspec

from stellwerk.language.items import JobResource, Signed, read_signed_item
from stellwerk.language.workflow import Workflow
from stellwerk.values.problems import ProblemError
from stellwerk.wire.signatures import Signature, SignatureVerifier


def verified_item(signed: Signed, verifier: SignatureVerifier) -> Workflow | JobResource:
    """The item in a text whose signature is trusted *here*, whatever the sender thinks. Raises `ProblemError`."""
    try:
        signature = msgspec.convert(signed.signature, Signature)
    except msgspec.ValidationError as error:
        raise ProblemError(f"JSON DecodingFailure at signature: {error}") from error
    verifier.verify(signed.string, signature)
    return read_signed_item(signed.string)
