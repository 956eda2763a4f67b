"""Committed event lines for streams: from memory when recent, else from the files (journal spec 1.3, 1.5, 4.9).

Guarantees: only what `publish` has announced is ever returned, in order, without gap, bytes as written; a position that
is not kept any more is a Problem, damage in an old file is a `JournalCorruptedError`, never silence.
"""

from __future__ import annotations

from bisect import bisect_right

from stellwerk.effects.disk import Disk
from stellwerk.journal import format
from stellwerk.journal.errors import JournalCorruptedError
from stellwerk.journal.format import FILE_BEGIN, InvalidBlockError, Position, event_id_of
from stellwerk.journal.recent import RecentEvents
from stellwerk.values.event_ids import event_id_text
from stellwerk.values.problems import ProblemError

_MAX_CURSORS = 256


class EventReader:
    """Reads events of all kept files of one journal."""

    def __init__(self, disk: Disk, name: str, file_event_ids: list[int], recent: RecentEvents) -> None:
        self._disk = disk
        self._name = name
        #: Begin of each kept file, ascending; the last is the file being written.
        self.file_event_ids = file_event_ids
        self._recent = recent
        self.committed_event_id = recent.floor
        #: Committed bytes of the file being written.
        self.committed_position = 0
        # Where lines after an EventId begin, for those who read on from there.
        self._cursors: dict[int, tuple[int, Position]] = {}

    def publish(self, lines: list[bytes], last_event_id: int, position: int) -> None:
        """`lines` have become durable; the file being written is readable up to `position`."""
        self._recent.add(lines, last_event_id)
        self.committed_event_id = last_event_id
        self.committed_position = position

    def add_file(self, file_event_id: int) -> None:
        """A new file is being written, which begins after `file_event_id`."""
        if file_event_id != self.file_event_ids[-1]:
            self.file_event_ids.append(file_event_id)

    def remove_first_file(self) -> None:
        del self.file_event_ids[0]

    @property
    def torn_event_id(self) -> int:
        """The oldest allowed position: the begin of the oldest file."""
        return self.file_event_ids[0]

    def check_after(self, after: int, with_heartbeat: bool) -> None:
        """Raise the Problem with which a stream beginning `after` must be refused (journal spec 1.3)."""
        if after == self.committed_event_id or (after > self.committed_event_id and not with_heartbeat):
            return
        if self.torn_event_id <= after < self.committed_event_id and self._exists(after):
            return
        torn = event_id_text(self.torn_event_id)
        if with_heartbeat:
            raise ProblemError.of(
                "UnknownEventId",
                requestedEventId=event_id_text(after),
                tornEventId=torn,
                lastAddedEventId=event_id_text(self.committed_event_id),
            )
        raise self._torn(after)

    def read_after(self, after: int, max_bytes: int) -> list[bytes]:
        """Committed lines after `after`, at least one if there is any, up to about `max_bytes`.

        Raises `ProblemError` EventSeqTorn when they are not kept any more.
        """
        if after >= self.committed_event_id:
            return []
        if after >= self._recent.floor:
            return self._recent.after(after, max_bytes)
        if after < self.torn_event_id:
            raise self._torn(after)
        return self._read_file(after, max_bytes)

    def _torn(self, after: int) -> ProblemError:
        return ProblemError.of(
            "EventSeqTorn", requestedAfter=event_id_text(after), tornEventId=event_id_text(self.torn_event_id)
        )

    def _exists(self, event_id: int) -> bool:
        if event_id >= self._recent.floor and self._recent.contains(event_id):
            return True
        if event_id in self.file_event_ids:
            return True
        if event_id >= self._recent.floor:
            return event_id == self._recent.floor
        # The event that precedes the position, if it exists, is the first one after the number before it.
        lines = self._read_file(event_id - 1, 1)
        return bool(lines) and event_id_of(lines[0]) == event_id

    def _read_file(self, after: int, max_bytes: int) -> list[bytes]:
        index = bisect_right(self.file_event_ids, after) - 1
        file_event_id = self.file_event_ids[index]
        file = format.file_name(self._name, file_event_id)
        if index + 1 < len(self.file_event_ids):
            until = self.file_event_ids[index + 1]
            end = self._disk.size(file)
        else:
            until = self.committed_event_id
            end = self.committed_position
        cursor_file, position = self._cursors.pop(after, (-1, FILE_BEGIN))
        if cursor_file != file_event_id:
            position = format.find_event(self._disk, file, after, end)
        lines: list[bytes] = []
        size = 0
        try:
            for block in format.blocks(self._disk, file, position, end):
                for line in format.event_lines(block.data):
                    if line[:11] != b'{"eventId":':
                        continue  # header or snapshot
                    event_id = event_id_of(line)
                    if event_id > until and lines:
                        return lines
                    if event_id > until:
                        break  # never without an event: a reader would ask again and again
                    if event_id > after:
                        lines.append(line)
                        size += len(line) + 1
                        if size >= max_bytes or event_id == until:
                            self._remember(event_id, file_event_id, position)
                            return lines
                position = Position(block.end, block.crc)
        except InvalidBlockError as error:
            raise JournalCorruptedError(
                f"Journal file {file} is damaged at byte {error.start}: events after {event_id_text(after)} cannot be "
                "delivered. Restore the file from a backup or from the cluster's other node, or let the receiver "
                "begin with a new snapshot."
            ) from error
        raise JournalCorruptedError(
            f"Journal file {file} ends before its event {event_id_text(until)}: events after {event_id_text(after)} "
            "cannot be delivered. Restore the file from a backup or from the cluster's other node."
        )

    def _remember(self, event_id: int, file_event_id: int, position: Position) -> None:
        self._cursors[event_id] = (file_event_id, position)
        if len(self._cursors) > _MAX_CURSORS:
            del self._cursors[next(iter(self._cursors))]
