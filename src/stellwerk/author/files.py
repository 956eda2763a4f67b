"""Inventory files of an author: workflows and the objects that they use, by the ends of their names.

nightly.workflow.json  db.lock.json  done.noticeboard.json  env.jobresource.json  inbox.fileordersource.json
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from stellwerk.author.json_places import JsonPlaces, Place
from stellwerk.language.inventory import CONVERSIONS, Conversion, Target
from stellwerk.language.inventory.names import EXTENSIONS, name_fault
from stellwerk.language.items import UnsignedItem, read_signed_item, read_unsigned_item
from stellwerk.language.items.signed import JobResource
from stellwerk.language.reader import ReadError, ReadProblem, parse_json
from stellwerk.language.workflow import Workflow, read_workflow
from stellwerk.values.json import encode
from stellwerk.values.problems import Problem, ProblemError

#: End of a file's name → type of its object, in the words of the Cockpit.
KINDS = {EXTENSIONS[kind]: kind for kind in CONVERSIONS}
#: Largest file that is read.
MAXIMUM_BYTES = 32 << 20


class FileProblem(msgspec.Struct, frozen=True):
    """What is wrong with a file as such, in the author's terms."""

    path: str
    place: Place
    problem: Problem
    remedy: str | None = None


class AuthorFile:
    """One file, read and converted. `workflow` and `item` are there if nothing is wrong."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.kind = kind_of(file)
        self.name = object_name(file)
        self.problems: list[FileProblem] = []
        self.content: Any = None
        self.conversion: Conversion | None = None
        self.workflow: Workflow | None = None
        self.item: UnsignedItem | JobResource | None = None
        self.places = JsonPlaces("")
        self._read()

    def _read(self) -> None:
        if self.file.stat().st_size > MAXIMUM_BYTES:
            self._add(ReadProblem(path="$", problem=Problem(message=f"the file is larger than {MAXIMUM_BYTES} bytes")))
            return
        data = self.file.read_bytes()
        self.places = JsonPlaces(data.decode("utf-8", errors="replace"))
        try:
            self.content = parse_json(data)
        except ProblemError as error:
            self._add(ReadProblem(path="$", problem=error.problem))
            return
        if (fault := name_fault(self.name)) is not None:
            told = Problem(message=f"{self.name!r} is no name of an inventory object: {fault}")
            self._add(ReadProblem(path="$", problem=told, remedy="rename the file"))
        if not isinstance(self.content, dict):
            self._add(ReadProblem(path="$", problem=Problem(message="a JSON object is expected")))
            return
        if self.kind == "WORKFLOW" and self.content.get("TYPE") == "Workflow" and "path" in self.content:
            self._read_engine_workflow()
            return
        target = Target(path=f"/{self.name}", version_id="check")
        self.conversion = CONVERSIONS[self.kind](self.content, target)
        for problem in self.conversion.problems:
            self._add(problem)
        self._read_engine_form(self.conversion)

    def _read_engine_workflow(self) -> None:
        """A workflow in the spelling of the engine, as it stands in a Controller."""
        try:
            self.workflow = read_workflow(self.content)
        except ReadError as error:
            for problem in error.problems:
                self._add(problem)

    def _read_engine_form(self, conversion: Conversion) -> None:
        try:
            if self.kind == "WORKFLOW":
                self.workflow = read_workflow(conversion.value)
            elif self.kind == "JOBRESOURCE":
                found = read_signed_item(encode(conversion.value).decode())
                self.item = found if isinstance(found, JobResource) else None
            else:
                self.item = read_unsigned_item(conversion.value)
        except ReadError as error:
            known = {(problem.path, str(problem.problem)) for problem in conversion.problems}
            for problem in error.problems:
                own = conversion.in_inventory_terms(problem)
                is_name = own.path == "$.path"  # it comes from the file's name, which has been judged
                if not is_name and (own.path, str(own.problem)) not in known:
                    self._add(own)
        except ProblemError as error:
            self._add(ReadProblem(path="$", problem=error.problem))

    def _add(self, problem: ReadProblem) -> None:
        place = self.places.place(problem.path)
        self.problems.append(FileProblem(problem.path, place, problem.problem, problem.remedy))

    def author_path(self, engine_path: str) -> str:
        """The JSON path in the file of a path in the engine's form."""
        return engine_path if self.conversion is None else self.conversion.inventory_path(engine_path)


def kind_of(file: Path) -> str:
    for end, kind in KINDS.items():
        if file.name.endswith(end):
            return kind
    return "WORKFLOW"


def object_name(file: Path) -> str:
    for end in KINDS:
        if file.name.endswith(end):
            return file.name.removesuffix(end)
    return file.name.removesuffix(".json")


def find_files(paths: Iterable[Path], ends: Iterable[str] = tuple(KINDS)) -> list[Path]:
    """The files named, and in folders all whose names end so: inventory files. Raises `FileNotFoundError`."""
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files.update(dict.fromkeys(sorted(file for end in ends for file in path.rglob(f"*{end}"))))
        elif path.is_file():
            files[path] = None
        else:
            raise FileNotFoundError(str(path))
    return list(files)
