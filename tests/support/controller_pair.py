"""A pair of Controllers with three witnesses, real processes, and between them, if wanted, a network to be broken.

    with ControllerPair(tmp_path, has_network=True) as controllers:
        controllers.begin()
        with controllers.load() as load:
            load.until_more()
            controllers.cut("c-1", "c-2")

The orders that are added wait for an answer of a person: what has been acknowledged can be seen for ever.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from authority import Authority
from node_pair import Load, NodePair
from node_processes import NodeProcesses
from proxy import Direction, Proxy

from stellwerk.cli.installation import free_port

CONTROLLERS = ("c-1", "c-2")
WITNESSES = ("witness-1", "witness-2", "witness-3")
#: As a party of the network: all witnesses.
WATCH = "watch"
_WAITING = {"TYPE": "Workflow", "path": "W", "instructions": [{"TYPE": "Prompt", "question": "'go on?'"}]}


class ControllerPair(NodeProcesses):
    """See the module."""

    def __init__(
        self, folder: Path, *, has_network: bool = False, settings: str = "", authority: Authority | None = None
    ) -> None:
        """`settings` of both Controllers. With an authority they speak HTTPS, with NAME.key.pem each."""
        super().__init__(folder, CONTROLLERS)
        self.pair = NodePair(self, *CONTROLLERS)
        ports = {name: free_port() for name in CONTROLLERS}
        #: (who connects, to whom) → what lies between.
        self.links: dict[tuple[str, str], Proxy] = {}
        if has_network:
            for target in CONTROLLERS:
                for source in (*CONTROLLERS, WATCH):
                    if source != target:
                        link = self.links[source, target] = Proxy(("127.0.0.1", ports[target]))
                        link.start()

        scheme, trust = "http", ""
        certificates: dict[str, Path] = {}
        if authority is not None:
            scheme, trust = "https", f'client_trust = ["{authority.path}"]\n'
            certificates = {name: authority.pem(name) for name in CONTROLLERS}
            self.tls = ssl._create_unverified_context()

        def address(source: str, target: str) -> str:
            link = self.links.get((source, target))
            return f"{scheme}://127.0.0.1:{ports[target]}" if link is None else link.url

        for own in CONTROLLERS:
            other = self.pair.other(own)
            cluster = f'url = "{address(other, own)}"\npeer = "{address(own, other)}"\nwatches = {list(WITNESSES)}\n'
            text = f"{trust}[cluster]\n{cluster}{settings}"
            self.add("controller", own, text, port=ports[own], certificate=certificates.get(own))
        for name in WITNESSES:
            watched = [address(WATCH, target) for target in CONTROLLERS]
            self.add("witness", name, f'id = "{name}"\n{trust}[pairs.controller]\nnodes = {watched}\n')

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[arg-type]
        for link in self.links.values():
            link.refuse()

    def begin(self) -> str:
        """Start all; gives the active one when they are coupled and can take orders."""
        self.start(*WITNESSES, *CONTROLLERS)
        active = self.pair.active_of_coupled()
        self.update_items([_WAITING])
        return active

    # --- orders ---

    def load(self, name: str = "load") -> Load:
        return Load(lambda number: self.add_order(f"{name}-{number}", "W"))

    def add_some_orders(self, name: str, count: int = 10) -> list[str]:
        return [order_id for number in range(count) for order_id in self.add_order(f"{name}-{number}", "W")]

    def nothing_is_lost(self, orders: list[str]) -> None:
        """Both nodes, which are coupled, know exactly these orders; their journals are the same (I1, I2, I7).

        Stops both.
        """
        active = self.pair.active_of_coupled()
        assert self.orders(active) == set(orders)
        for name in (self.pair.other(active), active):
            assert self.terminate(name) == 0
        self.pair.copies_are_equal(is_stopped=True)
        self.pair.reigns_have_one_active_node()
        added = [event["Key"] for event in self.pair.events(active) if event["TYPE"] == "OrderAdded"]
        assert len(added) == len(set(added))

    # --- network ---

    def _ways(self, source: str, target: str) -> Iterator[Direction]:
        """All ways on which something goes from the one to the other."""
        if link := self.links.get((source, target)):
            yield link.there
        if link := self.links.get((target, source)):
            yield link.back

    def cut(self, one: str, other: str) -> None:
        """Nothing passes between the two."""
        for way in (*self._ways(one, other), *self._ways(other, one)):
            way.stand_still()

    def lose(self, source: str, target: str) -> None:
        """What the one sends to the other is lost, in this direction only."""
        for way in self._ways(source, target):
            way.swallow()

    def heal(self) -> None:
        for link in self.links.values():
            link.flow()
