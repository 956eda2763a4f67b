"""What settings of LDAP services mean, and that no account changes filters or names (cockpit-services 7.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.utils.dn import parse_dn

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.auth.ldap_settings import LdapSettings, comparable, read_ldap_settings, same_account

PEOPLE = "ou=people,dc=example,dc=com"


def settings(simple: dict[str, Any] | None = None, **expert: Any) -> LdapSettings:
    return read_ldap_settings({"ldap": {"simple": {"iamLdapHost": "h", **(simple or {})}, "expert": expert}})


@pytest.mark.parametrize(
    ("simple", "expert", "expected"),
    [
        ({}, {}, ("h", 389, "PLAIN")),
        ({"iamLdapPort": "1389"}, {}, ("h", 1389, "PLAIN")),
        ({"iamLdapProtocol": "STARTTLS"}, {}, ("h", 389, "STARTTLS")),
        ({"iamLdapProtocol": "SSL"}, {}, ("h", 636, "SSL")),
        ({}, {"iamLdapUseStartTls": "true"}, ("h", 389, "STARTTLS")),
        ({}, {"iamLdapSecurityProtocol": "SSL"}, ("h", 636, "SSL")),
        ({"iamLdapProtocol": "SSL"}, {"iamLdapServerUrl": "ldap://other:3389"}, ("other", 3389, "PLAIN")),
        ({}, {"iamLdapServerUrl": "LDAPS://other"}, ("other", 636, "SSL")),
        ({}, {"iamLdapServerUrl": "ldap://[::1]:390/", "iamLdapUseStartTls": True}, ("::1", 390, "STARTTLS")),
    ],
)
def test_where_the_directory_is(simple: dict[str, Any], expert: dict[str, Any], expected: tuple[str, int, str]) -> None:
    read = settings(simple, **expert)
    assert (read.host, read.port, read.protocol) == expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "iamLdapHost"),
        ({"expert": {"iamLdapServerUrl": "http://h"}}, "ldaps://host:636"),
        ({"simple": {"iamLdapHost": "h", "iamLdapPort": 70000}}, "no port"),
        ({"simple": {"iamLdapHost": "h", "iamLdapProtocol": "TELNET"}}, "STARTTLS"),
        ({"simple": {"iamLdapHost": "h"}, "expert": {"iamLdapUserDnTemplate": "uid=anna"}}, "where the account stands"),
        ({"simple": {"iamLdapHost": "h"}, "expert": {"iamLdapSystemUser": "cn=x"}}, "anonymous"),
        (
            {"simple": {"iamLdapHost": "h"}, "expert": {"iamLdapSystemUser": "cn=x", "iamLdapSystemPassword": "x"}},
            "iamLdapSearchBase",
        ),
        ({"simple": {"iamLdapHost": "h"}, "expert": {"iamLdapTruststorePath": "/a/b.jks"}}, "PKCS12"),
        ({"simple": {"iamLdapHost": "h"}, "expert": {"iamLdapReadTimeout": 0}}, "60000 ms"),
        ({"simple": {"iamLdapHost": "h", "iamLdapPort": {}}}, "iamLdapPort"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_what_to_do(document: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        read_ldap_settings(document)


def test_active_directory_asks_for_its_own_names() -> None:
    read = settings({"iamLdapAD": True}, iamLdapUserDnTemplate="{0}@corp.example", iamLdapSearchBase="dc=corp")
    assert read.user_dn("anna") == "anna@corp.example"
    assert read.user_filter("anna") == "(sAMAccountName=anna)"
    assert read.reads_groups_of_person and read.group_attribute == "memberOf"
    for typed in ("cn=admin,dc=corp", "anna@elsewhere", "CORP\\anna"):
        with pytest.raises(ValueError, match="characters"):
            read.user_dn(typed)


names = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs", "Cc"]), min_size=1)


@given(names)
def test_whatever_is_typed_stays_one_value_of_a_filter(typed: str) -> None:
    read = settings(iamLdapUserSearchFilter="(&(uid=%s)(objectClass=person))", iamLdapGroupSearchFilter="(x=^s)")
    value = r"((?:[^()*\\\0]|\\[0-9a-f]{2})*)"
    for text, pattern in (
        (read.user_filter(typed), rf"\(&\(uid={value}\)\(objectClass=person\)\)"),
        (read.group_filter(typed, typed, "uid=a"), rf"\(x={value}\)"),
    ):
        found = re.fullmatch(pattern, text, re.DOTALL)
        assert found is not None
        plain = re.sub(r"\\([0-9a-f]{2})", lambda escape: chr(int(escape[1], 16)), found[1])
        assert plain == typed


@given(names)
def test_whatever_is_typed_stays_one_part_of_a_name(typed: str) -> None:
    dn = settings(iamLdapUserDnTemplate=f"uid={{0}},{PEOPLE}").user_dn(typed)
    assert len(parse_dn(dn)) == 4 and dn.endswith(f",{PEOPLE}")


def test_an_account_that_looks_like_a_placeholder_is_not_filled_in_again() -> None:
    read = settings(iamLdapUserSearchFilter="(|(uid={0})(mail=%s))")
    assert read.user_filter("{0}%s") == "(|(uid={0}%s)(mail={0}%s))"


def test_names_are_compared_as_directories_do() -> None:
    assert comparable("CN=Operators, OU=groups,dc=x") == comparable("cn=operators,ou=GROUPS,dc=x")
    assert comparable("cn=a\\,b,dc=x") == comparable("cn=a\\2cb,dc=x")
    assert comparable("cn=\\c3\\bc,dc=x") == comparable("cn=Ü,dc=x")
    assert comparable("cn=a,dc=x") != comparable("cn=a,dc=y")
    assert comparable("Operators") == comparable("operators")
    assert same_account("Anna  Able", "anna able") and not same_account("anna", "anne")


def test_groups_stand_for_roles_in_the_order_of_the_settings() -> None:
    items = [
        {"ldapGroupDn": "cn=a,dc=x", "roles": ["one", "two"]},
        {"ldapGroupDn": "b", "roles": "two"},
        {"ldapGroupDn": "cn=c,dc=x", "roles": ["three"]},
    ]
    read = settings(iamLdapGroupRolesMap={"items": items})
    assert read.roles_of(["B", "CN=A,DC=X"]) == ("one", "two")
    assert read.roles_of([]) == ()
