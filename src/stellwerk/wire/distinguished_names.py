"""X.500 names, compared as principals (journal spec 2.4): attribute values regardless of case and surplus blanks.

Pure.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from cryptography import x509

#: A name in RFC 2253 order (most specific first): for each RDN the set of (attribute, value), both canonical.
CanonicalName: TypeAlias = tuple[frozenset[tuple[str, str]], ...]

_OIDS = {
    "CN": "2.5.4.3",
    "SURNAME": "2.5.4.4",
    "SN": "2.5.4.4",
    "SERIALNUMBER": "2.5.4.5",
    "C": "2.5.4.6",
    "L": "2.5.4.7",
    "ST": "2.5.4.8",
    "S": "2.5.4.8",
    "STREET": "2.5.4.9",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "T": "2.5.4.12",
    "TITLE": "2.5.4.12",
    "GIVENNAME": "2.5.4.42",
    "DNQUALIFIER": "2.5.4.46",
    "UID": "0.9.2342.19200300.100.1.1",
    "DC": "0.9.2342.19200300.100.1.25",
    "EMAILADDRESS": "1.2.840.113549.1.9.1",
    "E": "1.2.840.113549.1.9.1",
}
_OID = re.compile(r"(?:OID\.)?(\d+(?:\.\d+)+)", re.IGNORECASE)


def parse_distinguished_name(text: str) -> CanonicalName:
    """Read `CN=host, OU=devel, O="Example, Inc", C=DE` (RFC 2253); raises `ValueError` with the place."""
    rdns: list[frozenset[tuple[str, str]]] = []
    attributes: list[tuple[str, str]] = []
    position = 0
    while True:
        name, equals, _ = text[position:].partition("=")
        if not equals:
            raise ValueError(f"Distinguished name {text!r}: NAME=VALUE is expected at position {position}")
        position += len(name) + 1
        value, position = _read_value(text, position)
        attributes.append((_attribute_oid(name.strip(), text), _canonical_value(value)))
        separator = text[position : position + 1]
        position += 1
        if separator != "+":
            rdns.append(frozenset(attributes))
            attributes = []
        if not separator:
            return tuple(rdns)


def certificate_subject(der: bytes) -> CanonicalName:
    """The subject of a certificate. RFC 2253 strings list the encoded RDNs in reverse."""
    subject = x509.load_der_x509_certificate(der).subject
    return tuple(
        frozenset((attribute.oid.dotted_string, _canonical_value(str(attribute.value))) for attribute in rdn)
        for rdn in reversed(subject.rdns)
    )


def _attribute_oid(name: str, text: str) -> str:
    match = _OID.fullmatch(name)
    if match is not None:
        return match[1]
    try:
        return _OIDS[name.upper()]
    except KeyError:
        raise ValueError(f"Distinguished name {text!r}: attribute {name!r} is unknown; write its OID") from None


def _read_value(text: str, position: int) -> tuple[str, int]:
    """One attribute value from `position` up to an unescaped `,`, `;` or `+`, and where that is."""
    value = bytearray()
    is_quoted = False
    while position < len(text):
        character = text[position]
        if character == "\\":
            hexadecimal = text[position + 1 : position + 3]
            if re.fullmatch("[0-9a-fA-F]{2}", hexadecimal):
                value.append(int(hexadecimal, 16))
                position += 3
                continue
            if not hexadecimal:
                raise ValueError(f"Distinguished name {text!r} ends with a backslash")
            value += hexadecimal[0].encode()
            position += 2
            continue
        if character == '"':
            is_quoted = not is_quoted
        elif character in ",;+" and not is_quoted:
            break
        else:
            value += character.encode()
        position += 1
    if is_quoted:
        raise ValueError(f"Distinguished name {text!r}: a quotation mark is missing")
    return value.decode(errors="replace"), position


def _canonical_value(value: str) -> str:
    return " ".join(value.split()).casefold()
