"""`ServiceSettings`: the stored settings of identity services (type IAM of `Configurations`; cockpit-services 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stellwerk.cockpit.api.decoding import first_json_value
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.auth.fido_settings import read_fido_settings
from stellwerk.cockpit.auth.ldap_settings import read_ldap_settings
from stellwerk.cockpit.auth.oidc_settings import read_oidc_settings
from stellwerk.cockpit.auth.services import IdentityService
from stellwerk.cockpit.settings.configurations import Configurations, Key

CONFIGURATION_TYPE = "IAM"
_CHECKS: dict[str, Callable[[Any], object]] = {
    "LDAP": read_ldap_settings,
    "LDAP-JOC": read_ldap_settings,
    "OIDC": read_oidc_settings,
    "OIDC-JOC": read_oidc_settings,
    "FIDO": read_fido_settings,
}


class ServiceSettings:
    """Reads the settings of a service; what they mean is the matter of its type."""

    def __init__(self, configurations: Configurations) -> None:
        self._configurations = configurations

    async def read(self, service: IdentityService) -> Any:
        """The JSON document; raises `BadRequest` if there is none."""
        found = await self.find(service)
        if found is None:
            raise BadRequest(f"identity service '{service.name}' has no settings: store them first")
        return found

    async def find(self, service: IdentityService) -> Any:
        """The JSON document, or None."""
        key = Key(configuration_type=CONFIGURATION_TYPE, object_type=service.type, name=service.name)
        found = await self._configurations.find(key)
        return None if found is None else first_json_value(found.configuration_item.encode())

    async def title(self, service: IdentityService) -> str:
        """What people read on the button of a service of type OIDC."""
        try:
            return read_oidc_settings(await self.read(service)).title or service.name
        except BadRequest:
            return service.name

    async def check(self, service: IdentityService) -> None:
        """Raises `BadRequest` if the service needs settings with which it could work, and has none."""
        if service.type in _CHECKS:
            check_settings(service.type, await self.read(service))


def check_settings(type_: str, document: Any) -> None:
    """Raises `BadRequest` for settings with which a service of this type could not work."""
    check = _CHECKS.get(type_)
    if check is not None:
        check(document)
