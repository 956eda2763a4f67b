"""The services of this room, put together: who may log in, and what they may do."""

from __future__ import annotations

from stellwerk.cockpit.auth.accounts import Accounts
from stellwerk.cockpit.auth.certificates import CertificateVerifier
from stellwerk.cockpit.auth.credentials import PasswordVerifier, Verifier
from stellwerk.cockpit.auth.delays import LoginBrake
from stellwerk.cockpit.auth.directory import Directory
from stellwerk.cockpit.auth.fido import FidoDevices
from stellwerk.cockpit.auth.grants import Grants
from stellwerk.cockpit.auth.ldap import LdapVerifier
from stellwerk.cockpit.auth.oidc import OidcVerifier
from stellwerk.cockpit.auth.passwords import Passwords
from stellwerk.cockpit.auth.roles import Roles
from stellwerk.cockpit.auth.service_settings import ServiceSettings
from stellwerk.cockpit.auth.services import IdentityServices
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.configuration import LoginDelays
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.services import Services
from stellwerk.cockpit.settings.configurations import Configurations
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.effects.clock import Clock, Random


def add_identity_services(
    services: Services, sessions: Sessions, settings: Settings, delays: LoginDelays, clock: Clock, random: Random
) -> None:
    """Needs the database, settings and sessions."""
    database = services.get(Database)
    grants = services.add(Grants(database, sessions))
    passwords = services.add(Passwords())
    brake = services.add(LoginBrake(delays))
    service_settings = services.add(ServiceSettings(services.get(Configurations)))
    ldap = LdapVerifier(service_settings)
    oidc = services.add(OidcVerifier(service_settings, clock))
    fido = services.add(FidoDevices(database, service_settings, clock, random))
    verifiers: dict[str, Verifier] = {
        "JOC": PasswordVerifier(passwords),
        "LDAP": ldap,
        "LDAP-JOC": ldap,
        "OIDC": oidc,
        "OIDC-JOC": oidc,
        "CERTIFICATE": CertificateVerifier(),
        "FIDO": fido,
    }
    services.add(Accounts(database, sessions, grants, passwords, brake, clock, random, verifiers))
    services.add(Directory(database, settings, passwords, sessions, grants, clock))
    services.add(IdentityServices(database, grants))
    services.add(Roles(database, grants))
