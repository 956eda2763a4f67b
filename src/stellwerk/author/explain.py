"""`stellwerk explain`: a workflow as readable steps, or as a diagram for Mermaid."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stellwerk.author import words
from stellwerk.author.walk import outer_block
from stellwerk.language.instructions import (
    Block,
    Break,
    Cycle,
    End,
    Fail,
    Finish,
    Fork,
    ForkList,
    If,
    Instruction,
    Retry,
    Stop,
    Try,
)
from stellwerk.language.jobs import (
    CommandLineExecutable,
    InternalExecutable,
    PathExecutable,
    ShellScriptExecutable,
    WorkflowJob,
)
from stellwerk.language.parameters import OrderPreparation
from stellwerk.language.workflow import Workflow


def steps(workflow: Workflow) -> Iterator[str]:
    """The lines of the text."""
    definition = workflow.definition
    yield f"Workflow {workflow.id.path}"
    yield f"  times are those of {definition.time_zone}"
    yield from _parameters(definition.order_preparation)
    if definition.job_resource_paths:
        yield f"  job resources: {', '.join(definition.job_resource_paths)}"
    yield ""
    yield from _block(outer_block(workflow), "", 0)
    jobs = [(name, job) for name, job in definition.jobs.items()]
    if jobs:
        yield ""
        yield "Jobs"
        for name, job in jobs:
            yield f"  {name}: {_job(job)}"


def _parameters(preparation: OrderPreparation) -> Iterator[str]:
    for name, parameter in preparation.parameters.items():
        if name == "js7Workflow.path":
            continue  # added at each deployment
        if parameter.final is not None:
            how = f"always {parameter.final}"
        elif parameter.default is not None:
            how = f"{parameter.default} if not given"
        else:
            how = "required"
        yield f"  order variable {name}: {how}"
    if preparation.parameters and preparation.allow_undeclared:
        yield "  other order variables are allowed"


def _job(job: WorkflowJob) -> str:
    executable = job.executable
    match executable:
        case ShellScriptExecutable():
            lines = executable.script.strip().splitlines()
            what = f"script of {len(lines)} line{'s' * (len(lines) != 1)}"
        case PathExecutable():
            what = f"program {executable.path}"
        case CommandLineExecutable():
            what = f"command {executable.command}"
        case InternalExecutable():
            what = f"function {executable.class_name}"
    text = f"{what} at Agent {job.agent_path}"
    if job.process_limit != 1:
        text += f", {job.process_limit} at a time"
    if job.timeout_ms is not None:
        text += f", killed after {words.duration(job.timeout_ms)}"
    if job.admission_time_scheme is not None:
        text += f", only {words.scheme(job.admission_time_scheme)}"
    if job.is_not_restartable:
        text += ", never repeated after a crash"
    return text


def _block(block: Block, prefix: str, depth: int) -> Iterator[str]:
    for index, instruction in enumerate(block.instructions):
        number = f"{prefix}{index + 1}"
        label = f"  [{instruction.label}]" if instruction.label else ""
        yield f"{'  ' * depth}{number}. {words.instruction(instruction)}{label}"
        nested = list(instruction.nested(False))
        for place, item in enumerate(nested):
            title = words.branch(instruction, item.branch_id)
            letter = chr(ord("a") + place) if len(nested) > 1 else ""
            if title:
                yield f"{'  ' * (depth + 1)}{title}:"
            elif len(nested) > 1 and not isinstance(instruction, Try):
                yield f"{'  ' * (depth + 1)}{item.branch_id}:"
            yield from _block(item.block, f"{number}{letter}.", depth + 2 if title else depth + 1)


# --- Mermaid ---


class _Piece(msgspec.Struct):
    """A part of the diagram: where edges go in, and from which nodes they leave, each with a text."""

    entry: str
    exits: list[tuple[str, str]]


def mermaid(workflow: Workflow) -> str:
    """A flowchart."""
    return _Diagram().of(workflow)


class _Diagram:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0
        self._depth = 1

    def of(self, workflow: Workflow) -> str:
        start, end = self._node(f"{workflow.id.path or 'workflow'}", "([", "])"), "finish"
        piece = self._block(outer_block(workflow))
        self._line(f'{end}(["finished"])')
        self._connect([(start, "")], piece, end)
        return "\n".join(["flowchart TD", *self._lines])

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)

    def _node(self, text: str, opening: str = "[", closing: str = "]") -> str:
        self._count += 1
        name = f"n{self._count}"
        self._line(f'{name}{opening}"{_escaped(text)}"{closing}')
        return name

    def _edge(self, source: str, target: str, text: str) -> None:
        self._line(f'{source} -->|"{_escaped(text)}"| {target}' if text else f"{source} --> {target}")

    def _connect(self, sources: list[tuple[str, str]], piece: _Piece | None, target: str) -> None:
        if piece is None:
            for source, text in sources:
                self._edge(source, target, text)
            return
        for source, text in sources:
            self._edge(source, piece.entry, text)
        for source, text in piece.exits:
            self._edge(source, target, text)

    def _block(self, block: Block) -> _Piece | None:
        """None for an empty block."""
        result: _Piece | None = None
        for instruction in block.instructions:
            piece = self._instruction(instruction)
            if result is None:
                result = piece
            else:
                for source, text in result.exits:
                    self._edge(source, piece.entry, text)
                result = _Piece(result.entry, piece.exits)
        return result

    def _instruction(self, instruction: Instruction) -> _Piece:
        text = words.instruction(instruction)
        if instruction.label:
            text = f"{instruction.label}: {text}"
        nested = list(instruction.nested(False))
        if not nested:
            node = self._node(text)
            leaves = isinstance(instruction, Fail | Finish | Stop | End | Break | Retry)
            return _Piece(node, [] if leaves else [(node, "")])
        if isinstance(instruction, If):
            return self._if(instruction)
        if isinstance(instruction, Fork | ForkList):
            return self._fork(instruction, text)
        if isinstance(instruction, Try):
            return self._try(instruction, text)
        node = self._node(text, "[[", "]]")
        piece = self._in_frame(text, nested[0].block)
        if piece is None:
            return _Piece(node, [(node, "")])
        self._edge(node, piece.entry, "")
        if isinstance(instruction, Cycle):
            for source, exit_text in piece.exits:
                self._edge(source, node, exit_text or "again")
            return _Piece(node, [(node, "over")])
        return _Piece(node, piece.exits)

    def _in_frame(self, title: str, block: Block) -> _Piece | None:
        self._count += 1
        self._line(f'subgraph s{self._count} ["{_escaped(title)}"]')
        self._depth += 1
        piece = self._block(block)
        self._depth -= 1
        self._line("end")
        return piece

    def _if(self, instruction: If) -> _Piece:
        exits: list[tuple[str, str]] = []
        entry = ""
        pending: tuple[str, str] | None = None
        for if_then in instruction.if_thens:
            question = self._node(f"{if_then.predicate} ?", "{", "}")
            entry = entry or question
            if pending is not None:
                self._edge(pending[0], question, pending[1])
            piece = self._block(if_then.then)
            if piece is None:
                exits.append((question, "yes"))
            else:
                self._edge(question, piece.entry, "yes")
                exits += piece.exits
            pending = (question, "no")
        assert pending is not None
        otherwise = None if instruction.else_ is None else self._block(instruction.else_)
        if otherwise is None:
            exits.append(pending)
        else:
            self._edge(pending[0], otherwise.entry, pending[1])
            exits += otherwise.exits
        return _Piece(entry, exits)

    def _fork(self, instruction: Fork | ForkList, text: str) -> _Piece:
        fork, join = self._node(text, "{{", "}}"), self._node("join", "{{", "}}")
        for nested in instruction.nested(False):
            title = words.branch(instruction, nested.branch_id)
            piece = self._block(nested.block)
            self._connect([(fork, title)], piece, join)
        return _Piece(fork, [(join, "")])

    def _try(self, instruction: Try, text: str) -> _Piece:
        node = self._node(text, "[[", "]]")
        body = self._in_frame(text, instruction.try_)
        catch = self._block(instruction.catch)
        exits: list[tuple[str, str]] = []
        if body is None:
            exits.append((node, ""))
        else:
            self._edge(node, body.entry, "")
            exits += body.exits
        if catch is None:
            exits.append((node, "on failure"))
        else:
            self._edge(node, catch.entry, "on failure")
            exits += catch.exits
        return _Piece(node, exits)


def _escaped(text: str) -> str:
    """Mermaid's entities: a text must not end its quotes, nor be taken for markup."""
    return (
        text.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;").replace("\n", " ")
    )
