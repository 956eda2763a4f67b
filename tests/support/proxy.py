"""A proxy between two parties, whose connections can be broken, stand still, or lose what is sent in one direction.

Three faults of a network, as the parties see them:

- `refuse`: connections break and new ones are refused, as by a machine on which nothing listens;
- `there.stand_still()`, `back.stand_still()`: nothing arrives and nobody hears of it; what is under way arrives when
  the direction flows again, as in a network that was cut and sends again what was lost;
- `there.swallow()`, `back.swallow()`: bytes get lost though the connection stays open. A connection that has lost some
  is broken by `flow`: what follows would not fit.

`there` is from who connects to who listens. New connections are accepted in all but the first case.
"""

from __future__ import annotations

import contextlib
import socket
import threading

#: (host, port) of TCP, or the path of a Unix socket.
Address = tuple[str, int] | str


class Direction:
    """The bytes of one direction of all connections."""

    def __init__(self) -> None:
        self._flows = threading.Event()
        self._flows.set()
        self.is_swallowed = False

    def stand_still(self) -> None:
        self._flows.clear()

    def swallow(self) -> None:
        self.is_swallowed = True

    def flow(self) -> None:
        self.is_swallowed = False
        self._flows.set()

    def wait(self) -> None:
        self._flows.wait()


class _Connection:
    """Two sockets and a thread for each direction."""

    def __init__(self, proxy: Proxy, here: socket.socket) -> None:
        self._proxy = proxy
        self._here = here
        self._there: socket.socket | None = None
        self.has_lost_bytes = False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._there = _connected(self._proxy.target)
        except OSError:
            self.close()
            return
        back = threading.Thread(target=self._pump, args=(self._there, self._here, self._proxy.back), daemon=True)
        back.start()
        self._pump(self._here, self._there, self._proxy.there)

    def _pump(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        is_damaged = False
        try:
            while data := source.recv(65536):
                direction.wait()
                if direction.is_swallowed or is_damaged:
                    is_damaged = self.has_lost_bytes = True
                else:
                    target.sendall(data)
            direction.wait()
        except OSError:
            pass  # a connection that breaks is what this is for
        self.close()

    def close(self) -> None:
        for one in (self._here, self._there):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads
                one.close()
        self._proxy.forget(self)


class Proxy:
    """`target` may be changed: it counts for new connections."""

    def __init__(self, target: Address, at: Address = ("127.0.0.1", 0)) -> None:
        self.target = target
        self.at = at
        self.there = Direction()
        self.back = Direction()
        self._listener: socket.socket | None = None
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Listen; again at the same address after `refuse`."""
        listener = self._listener = _socket_for(self.at)
        if isinstance(self.at, tuple):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self.at)
        listener.listen(100)
        if isinstance(self.at, tuple):
            self.at = listener.getsockname()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    @property
    def url(self) -> str:
        assert isinstance(self.at, tuple)
        host, port = self.at
        return f"http://{host}:{port}"

    def refuse(self) -> None:
        """Until `start`."""
        self.flow()
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            self._listener.close()
            self._listener = None
        self.break_connections()

    def break_connections(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def stand_still(self) -> None:
        for direction in (self.there, self.back):
            direction.stand_still()

    def flow(self) -> None:
        """No fault any more."""
        for direction in (self.there, self.back):
            direction.flow()
        with self._lock:
            damaged = [connection for connection in self._connections if connection.has_lost_bytes]
        for connection in damaged:
            connection.close()

    def forget(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.discard(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(_Connection(self, accepted))


def _socket_for(address: Address) -> socket.socket:
    return socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)


def _connected(address: Address) -> socket.socket:
    made = _socket_for(address)
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made
