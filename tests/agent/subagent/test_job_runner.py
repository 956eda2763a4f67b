"""JobRunner: from a launch to one outcome, with real processes (workflow spec 4.2 to 4.7)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stellwerk.agent.subagent.job_runner import JobOutcome, JobRunner, JobRunnerOptions
from stellwerk.agent.subagent.launch import JobLaunch, LaunchSettings
from stellwerk.effects.clock import SystemClock
from stellwerk.language.expressions import EMPTY_SCOPE, ChildScope, parse_expression
from stellwerk.language.jobs import (
    CommandLineExecutable,
    Executable,
    InternalExecutable,
    PathExecutable,
    ReturnCodeMeaning,
    ReturnCodes,
    ShellScriptExecutable,
    WorkflowJob,
)
from stellwerk.language.outcomes import Disrupted, Failed, Killed, Succeeded, TimedOut
from stellwerk.values.json import JsonValue

if TYPE_CHECKING:
    from tests.agent.subagent.conftest import World


class Output:
    """A `JobEvents` that remembers, and can wait for a text."""

    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self.chunks = 0
        self._changed = asyncio.Event()

    async def stdout(self, chunk: str) -> None:
        self.out += chunk
        self.chunks += 1
        self._changed.set()

    async def stderr(self, chunk: str) -> None:
        self.err += chunk
        self._changed.set()

    async def wait_for(self, text: str) -> str:
        while text not in self.out:
            self._changed.clear()
            await self._changed.wait()
        return self.out


class Bench:
    """A runner with short ways to launch."""

    def __init__(self, world: World, directory: Path, **settings: Any) -> None:
        self.world = world
        self.work_directory = directory / "work"
        self.executables = directory / "executables"
        self.executables.mkdir()
        settings = {"script_injection_allowed": True, **settings}
        environment = {"PATH": os.environ["PATH"], "INHERITED": "yes"}
        launch = LaunchSettings(environment=environment, executables_directory=self.executables, **settings)
        options = JobRunnerOptions(launch=launch, output_delay_seconds=0.001, kill_grace_seconds=0, abandon_seconds=0)
        self.runner = JobRunner(world.processes, SystemClock(), self.work_directory, options)
        self.output = Output()
        self.attempt = 0

    def launch(self, executable: Executable | str, **arguments: Any) -> JobLaunch:
        """`arguments` are fields of the launch or of its job; `env` has expressions as texts."""
        self.attempt += 1
        if isinstance(executable, str):
            executable = ShellScriptExecutable(script="#!/bin/sh\n" + executable)
        scope = ChildScope(EMPTY_SCOPE, arguments.pop("values", {}))
        environment = [(name, parse_expression(text), scope) for name, text in arguments.pop("env", [])]
        of_launch = {name: arguments.pop(name) for name in list(arguments) if name in JobLaunch.__struct_fields__}
        job = WorkflowJob(agent_path="AGENT", executable=executable, **arguments)
        fields = {"order_id": "ORDER", "scope": scope, "environment": environment, **of_launch}
        return JobLaunch(attempt=str(self.attempt), job=job, **fields)

    async def run(self, executable: Executable | str, **arguments: Any) -> JobOutcome:
        self.output = Output()
        return await self.runner.run(self.launch(executable, **arguments), self.output)

    def start(self, executable: Executable | str, **arguments: Any) -> asyncio.Task[JobOutcome]:
        self.output = Output()
        return asyncio.create_task(self.runner.run(self.launch(executable, **arguments), self.output))

    def files(self) -> list[str]:
        return os.listdir(self.work_directory / "files")


@pytest.fixture
async def bench(world: World, tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(world, tmp_path)
    yield bench
    assert bench.files() == [], "temporary files are left behind"
    bench.runner.close()
    assert os.listdir(bench.work_directory) == []


def succeeded(code: int = 0, **values: JsonValue) -> Succeeded:
    return Succeeded(named_values={**values, "returnCode": code})


def failed(code: int, **values: JsonValue) -> Failed:
    return Failed(named_values={**values, "returnCode": code})


def message(outcome: JobOutcome) -> str:
    assert isinstance(outcome, Failed) and outcome.message is not None, outcome
    return outcome.message


async def test_a_script_with_output_and_return_values(bench: Bench) -> None:
    outcome = await bench.run("echo out; echo err >&2; echo 'a = 1' >> $JS7_RETURN_VALUES")
    assert outcome == succeeded(a="1")
    assert (bench.output.out, bench.output.err) == ("out\n", "err\n")


async def test_a_script_without_hash_bang(bench: Bench) -> None:
    assert await bench.run(ShellScriptExecutable(script="echo $0; exit 4")) == failed(4)
    assert bench.output.out.startswith(str(bench.work_directory))


async def test_return_values_of_a_failed_process_count(bench: Bench) -> None:
    assert await bench.run("echo a=1 >$JS7_RETURN_VALUES; echo returnCode=9 >>$JS7_RETURN_VALUES; exit 3") == failed(
        3, a="1"
    )


async def test_malformed_return_values_fail_the_job(bench: Bench) -> None:
    outcome = await bench.run("echo nonsense >$JS7_RETURN_VALUES")
    assert message(outcome).startswith("Reading return values file failed: line 1")
    assert isinstance(outcome, Failed) and outcome.named_values == {"returnCode": 0}


async def test_a_job_that_removes_or_replaces_its_return_values_file(bench: Bench) -> None:
    assert "No such file" in message(await bench.run("rm $JS7_RETURN_VALUES"))
    outcome = await bench.run("rm $JS7_RETURN_VALUES; mkdir $JS7_RETURN_VALUES")
    assert message(outcome).startswith("Reading return values file failed:")
    (left,) = bench.files()
    os.rmdir(bench.work_directory / "files" / left)


@pytest.mark.parametrize(("code", "is_success"), [(0, False), (1, True), (3, True), (5, True), (6, False)])
async def test_return_code_meaning(bench: Bench, code: int, is_success: bool) -> None:
    meaning = ReturnCodeMeaning(success=ReturnCodes.parse("1,3..5"))
    outcome = await bench.run(ShellScriptExecutable(script=f"exit {code}", return_code_meaning=meaning))
    assert outcome == (succeeded(code) if is_success else failed(code))


async def test_a_signal_by_itself_is_a_return_code(bench: Bench) -> None:
    assert await bench.run("kill -KILL $$") == failed(137)


async def test_fail_on_err_written(bench: Bench) -> None:
    script = "echo first >&2; echo 'last words' >&2; echo >&2; echo a=1 >$JS7_RETURN_VALUES; exit {}"
    outcome = await bench.run(script.format(0), fail_on_err_written=True)
    assert outcome == Failed(message="The job's error channel: last words")
    assert await bench.run(script.format(1), fail_on_err_written=True) == failed(1, a="1")
    assert await bench.run(script.format(0)) == succeeded(a="1")
    assert await bench.run("echo only out", fail_on_err_written=True) == succeeded()


async def test_environment_precedence_conversion_and_removal(bench: Bench) -> None:
    env = [
        ("TEXT", "$x"),
        ("NUMBER", "1.5"),
        ("TRUE", "true"),
        ("TEXT", "'later ' ++ $x"),
        ("INHERITED", "missing"),
        ("FILE", "toFile($x, '*.txt')"),
    ]
    nasty = "$(touch /tmp/never); `id` 'x' \"y\"\n%s *"
    outcome = await bench.run(
        'echo "$TEXT|$NUMBER|$TRUE|${INHERITED-unset}|$STELLWERK_ATTEMPT|$(cat $FILE)"', env=env, values={"x": nasty}
    )
    assert outcome == succeeded()
    assert bench.output.out == f"later {nasty}|1.5|true|unset|1|{nasty}\n"


async def test_v1_compatible(bench: Bench) -> None:
    executable = ShellScriptExecutable(
        script='echo "$SCHEDULER_PARAM_MY_NAME ${JS7_RETURN_VALUES-none}"; echo a=b > $SCHEDULER_RETURN_VALUES',
        v1_compatible=True,
    )
    assert await bench.run(executable, v1_arguments={"my_name": 7}) == succeeded(a="b")
    assert bench.output.out == "7 none\n"


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ([("A", "[1]")], "Environment variable A = [1]"),
        ([("A", "$nul")], "NUL"),
        ([("A", "$long")], "200002 bytes"),
        ([("A=B", "'x'")], "must not be empty nor contain ="),
        ([("", "'x'")], "must not be empty nor contain ="),
        ([(f"A{number}", "$half") for number in range(60)], "too large together"),
    ],
)
async def test_an_environment_that_cannot_be(bench: Bench, env: list[tuple[str, str]], text: str) -> None:
    values = {"nul": "a\0b", "long": "x" * 200_000, "half": "x" * 100_000}
    outcome = await bench.run("echo never", env=env, values=values)
    assert text in message(outcome)
    assert isinstance(outcome, Failed) and outcome.named_values == {}
    assert bench.output.out == ""


@pytest.mark.parametrize(
    ("env", "text"),
    [([("A", "$unknown")], "unknown"), ([("A", "toFile('x', '../y')")], "InvalidFunctionArguments")],
)
async def test_an_environment_that_cannot_be_evaluated(bench: Bench, env: list[tuple[str, str]], text: str) -> None:
    outcome = await bench.run("echo never", env=env)
    assert isinstance(outcome, Disrupted) and text in outcome.problem.message
    assert bench.output.out == ""


async def test_a_large_environment_arrives(bench: Bench) -> None:
    env = [(f"A{number}", "$x") for number in range(5)]
    assert await bench.run('echo "$A0$A4" | wc -c', env=env, values={"x": "x" * 100_000}) == succeeded()
    assert bench.output.out.strip() == "200001"


async def test_command_lines(bench: Bench) -> None:
    command = CommandLineExecutable(command="printf '<%s>' $x \"a $x\" ''\"\"")
    assert await bench.run(command, values={"x": "two  words; $(id)"}) == Failed(message=bench_message(command.command))
    command = CommandLineExecutable(command='printf \'<%s>\' $x "a $x" ""')
    assert await bench.run(command, values={"x": "two  words; $(id)"}) == succeeded()
    assert bench.output.out == "<two  words; $(id)><a two  words; $(id)><>"
    assert "unknown" in message(await bench.run(CommandLineExecutable(command="$unknown")))
    assert "empty" in message(await bench.run(CommandLineExecutable(command="$x"), values={"x": ""}))
    assert "no-such-program" in message(await bench.run(CommandLineExecutable(command="no-such-program")))


def bench_message(command: str) -> str:
    from stellwerk.language.command_line import parse_command_line
    from stellwerk.language.expressions import ExpressionError

    with pytest.raises(ExpressionError) as failure:
        parse_command_line(command)
    return f"The command line `{command}` cannot be evaluated: {failure.value}"


async def test_path_executables(bench: Bench) -> None:
    program = bench.executables / "sub" / "program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho started; exit 2\n")
    assert "chmod +x" in message(await bench.run(PathExecutable(path="sub/program")))
    program.chmod(0o700)
    assert await bench.run(PathExecutable(path="sub/program")) == failed(2)
    assert await bench.run(PathExecutable(path=str(program))) == failed(2)
    assert bench.output.out == "started\n"
    assert "does not exist" in message(await bench.run(PathExecutable(path="missing")))
    assert "not a file" in message(await bench.run(PathExecutable(path="sub")))
    assert "InvalidName" in message(await bench.run(PathExecutable(path="../program")))


async def test_internal_executables_fail_with_a_clear_message(bench: Bench) -> None:
    assert "com.example.Job" in message(await bench.run(InternalExecutable(class_name="com.example.Job")))


async def test_scripts_must_be_allowed(world: World, tmp_path: Path) -> None:
    bench = Bench(world, tmp_path, script_injection_allowed=False)
    assert "SignedInjectionNotAllowed" in message(await bench.run("echo never"))
    assert bench.output.out == ""


async def test_encoding_of_scripts_output_and_values(world: World, tmp_path: Path) -> None:
    bench = Bench(world, tmp_path, encoding="iso-8859-1")
    outcome = await bench.run("echo grün; echo 'name=grün' >$JS7_RETURN_VALUES; printf 'gr\\374n\\n'")
    assert outcome == succeeded(name="grün")
    assert bench.output.out == "grün\ngrün\n"
    assert "iso-8859-1" in message(await bench.run("echo €"))


async def test_output_that_is_not_utf8(bench: Bench) -> None:
    assert await bench.run("printf 'a\\377\\nb\\200'") == succeeded()
    assert bench.output.out == "a\ufffd\nb\ufffd"


async def test_timeout_terminates_or_kills(bench: Bench) -> None:
    outcome = await bench.run("exec sleep 1000", timeout_ms=1)
    assert outcome == TimedOut(outcome=Failed(named_values={"returnCode": 143}))
    outcome = await bench.run("exec sleep 1000", timeout_ms=1, sigkill_delay_ms=0)
    assert outcome == TimedOut(outcome=Failed(named_values={"returnCode": 137}))
    assert await bench.run("exit 3", timeout_ms=1_000_000) == failed(3)


async def test_a_killed_process_returns_no_values_and_may_have_succeeded(bench: Bench) -> None:
    running = bench.start("trap 'exit 0' TERM; echo a=1 >$JS7_RETURN_VALUES; echo READY; while :; do sleep 0.01; done")
    await bench.output.wait_for("READY")
    bench.runner.kill("ORDER")
    assert await running == Killed(outcome=Succeeded(named_values={"returnCode": 0}))


async def test_a_job_that_ignores_sigterm_is_killed_after_the_delay(bench: Bench) -> None:
    running = bench.start("trap '' TERM; echo READY; while :; do sleep 0.01; done", sigkill_delay_ms=1)
    await bench.output.wait_for("READY")
    bench.runner.kill("ORDER")
    assert await running == Killed(outcome=Failed(named_values={"returnCode": 137}))


async def test_end_of_the_admission_period(bench: Bench) -> None:
    end_ms = SystemClock().now_ms() + 50
    outcome = await bench.run("exec sleep 1000", end_of_admission_period_ms=end_ms)
    assert outcome == TimedOut(outcome=Failed(named_values={"returnCode": 143}))
    assert await bench.run("exec sleep 1000", end_of_admission_period_ms=0) == outcome


async def test_kill_gently_immediately_and_by_delay(bench: Bench) -> None:
    for arguments, immediately, code in [({}, False, 9), ({}, True, 137), ({"sigkill_delay_ms": 0}, False, 137)]:
        running = bench.start("trap 'exit 9' TERM; echo READY; while :; do sleep 0.01; done", **arguments)
        await bench.output.wait_for("READY")
        assert bench.runner.order_ids == ["ORDER"]
        assert bench.runner.kill("ORDER", immediately)
        assert await running == Killed(outcome=Failed(named_values={"returnCode": code}))
    assert not bench.runner.kill("ORDER")


async def test_a_gentle_kill_may_be_followed_by_an_immediate_one(bench: Bench) -> None:
    running = bench.start("trap 'echo NO' TERM; echo READY; while :; do sleep 0.01; done")
    await bench.output.wait_for("READY")
    bench.runner.kill("ORDER")
    await bench.output.wait_for("NO")
    bench.runner.kill("ORDER", immediately=True)
    assert await running == Killed(outcome=Failed(named_values={"returnCode": 137}))


async def test_kill_before_start(bench: Bench) -> None:
    running = bench.start("echo never")
    assert bench.runner.kill("ORDER")
    outcome = await running
    assert isinstance(outcome, Killed)
    assert message(outcome.outcome).startswith("ProcessCancelledBeforeStart:")
    assert bench.output.out == ""


async def test_an_order_is_processed_once_at_a_time(bench: Bench) -> None:
    running = bench.start("echo READY; exec sleep 1000")
    with pytest.raises(ValueError, match="already being processed"):
        await bench.runner.run(bench.launch("true"), bench.output)
    await bench.output.wait_for("READY")
    bench.runner.kill("ORDER", immediately=True)
    assert isinstance(await running, Killed)


async def test_the_outcome_waits_for_children_that_hold_the_output(bench: Bench) -> None:
    fifo = bench.world.new_fifo()
    running = bench.start(f"(read line < {fifo}; echo late $line) & echo READY; exit 5")
    await bench.output.wait_for("READY")
    bench.world.feed("words\n")
    assert await running == failed(5)
    assert bench.output.out == "READY\nlate words\n"


async def test_killed_children_that_hold_the_output(bench: Bench) -> None:
    """SIGTERM ends the main process only; SIGKILL after the delay ends the child, even in another session."""
    running = bench.start("setsid sleep 1000 & echo $!; echo READY; wait", sigkill_delay_ms=1)
    child = int((await bench.output.wait_for("READY")).split()[0])
    bench.runner.kill("ORDER")
    # 137 if the main process has not yet followed SIGTERM after the millisecond.
    assert await running in [Killed(outcome=Failed(named_values={"returnCode": code})) for code in (143, 137)]
    bench.world.wait_gone(child)


def quoted(text: str) -> str:
    """For a double-quoted string of the expression language."""
    return text.replace("$", r"\$")


async def test_output_held_out_of_reach_is_given_up(bench: Bench) -> None:
    """An orphan in another session is no descendant: it may not keep the killed order for ever."""
    orphan_script = r"while kill -0 $PARENT 2>/dev/null; do :; done; echo $$ READY; exec sleep 1000"
    running = bench.start(
        "sh -c 'export PARENT=$$; setsid sh -c \"$ORPHAN\" &'; exec sleep 1000",
        env=[("ORPHAN", f'"{quoted(orphan_script)}"')],
    )
    orphan = int((await bench.output.wait_for("READY")).split()[0])
    bench.runner.kill("ORDER", immediately=True)
    assert await running == Killed(outcome=Failed(named_values={"returnCode": 137}))
    assert bench.world.is_alive(orphan)
    os.kill(orphan, 9)


async def test_a_sink_that_fails_or_a_cancelled_run_leaves_no_process(bench: Bench) -> None:
    class Broken(Output):
        async def stdout(self, chunk: str) -> None:
            await super().stdout(chunk)
            raise RuntimeError("the sink is broken")

    for broken in (True, False):
        output = Broken() if broken else Output()
        running = asyncio.create_task(bench.runner.run(bench.launch("echo $$ READY; exec sleep 1000"), output))
        pid = int((await output.wait_for("READY")).split()[0])
        if not broken:
            running.cancel()
        (result,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(result, ExceptionGroup if broken else asyncio.CancelledError)
        bench.world.wait_gone(pid)
        assert bench.runner.order_ids == []


async def test_a_sink_that_waits_stops_the_job(bench: Bench) -> None:
    """50 MB of output; the sink sees chunks of at most 8192 units, one at a time."""

    class Strict(Output):
        is_busy = False
        total = 0

        async def stdout(self, chunk: str) -> None:
            assert not self.is_busy and 0 < len(chunk) <= 8192
            self.is_busy = True
            await asyncio.sleep(0)
            self.is_busy = False
            self.total += len(chunk)

    output = Strict()
    assert await bench.runner.run(bench.launch("head -c 50000000 /dev/zero"), output) == succeeded()
    assert output.total == 50_000_000


async def test_many_jobs_at_the_same_time(bench: Bench) -> None:
    outputs = [Output() for _ in range(100)]
    launches = [
        bench.launch("echo READY; read line < $FIFO; exit 5", order_id=f"ORDER-{number}", env=[("FIFO", "'/dev/null'")])
        for number in range(100)
    ]
    outcomes = await asyncio.gather(*map(bench.runner.run, launches, outputs))
    assert outcomes == [failed(5)] * 100
    assert [output.out for output in outputs] == ["READY\n"] * 100
