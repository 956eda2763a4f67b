"""Removing objects from the inventory: first from the Controllers, then into the trash (cockpit-services 1.5, 2.6).

A crash in between leaves drafts that are deployed nowhere: the truth. Refused by a Controller: nothing is removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stellwerk.cockpit.api.errors import ApiError, BadRequest
from stellwerk.cockpit.deployment.history import DeploymentHistory
from stellwerk.cockpit.deployment.undeployer import Undeployer
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.transaction import UPDATE
from stellwerk.cockpit.inventory.trash import throw_away


class Remover:
    """Moves inventory objects to the trash, whatever they are deployed to or released for."""

    def __init__(self, inventory: Inventory, history: DeploymentHistory, undeployer: Undeployer) -> None:
        self._inventory = inventory
        self._history = history
        self._undeployer = undeployer

    async def remove(
        self,
        account: str,
        objects: Sequence[StoredObject],
        *,
        cancel_from_ms: int | None,
        require_controller: Callable[[str], None],
    ) -> None:
        """Delete at Controllers, recall, and throw away. `cancel_from_ms` as in `Undeployer.undeploy`.

        `require_controller` raises for a Controller at which the account may not delete; then nothing is removed.
        """
        if any(item.path == "/" for item in objects):
            raise BadRequest("the root folder cannot be removed")
        ids = {item.id for item in objects}
        deployed = [item for item in await self._history.current() if item.inv_cid in ids]
        for controller_id in sorted({item.controller_id for item in deployed}):
            require_controller(controller_id)
        if deployed:
            await self._undeployer.undeploy(account, deployed, cancel_from_ms=cancel_from_ms)
        async with self._inventory.writing() as transaction:
            present = [await transaction.read_by_id(id_) for id_ in sorted(ids)]
            for item in present:
                newest = await transaction.newest_deployment(item)
                if newest is not None and newest.operation == UPDATE:
                    raise ApiError(
                        f"'{item.path}' has been deployed meanwhile and was not removed; repeat",
                        code="JOC-425",
                        kind="JocConcurrentAccessException",
                    )
            await throw_away(transaction, present)
