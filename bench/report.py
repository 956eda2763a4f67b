"""The bars of docs/specification/performance.md, section 7, with what the project has set itself, and the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bar:
    """One line: a figure by name, what it has to reach, and the best that is aimed at."""

    figure: str
    text: str
    unit: str
    must: float | None
    good: float | None
    excellent: float | None = None
    #: What the project must reach in this issue.
    wanted: float | None = None
    more_is_better: bool = False
    digits: int = 3

    def reaches(self, value: float, bar: float | None) -> bool:
        return bar is not None and (value >= bar if self.more_is_better else value <= bar)

    def verdict(self, value: float) -> str:
        for level, bar in (("excellent", self.excellent), ("good", self.good), ("must", self.must)):
            if self.reaches(value, bar):
                return level if self.wanted is None or self.reaches(value, self.wanted) else f"{level}, but SHORT"
        if self.reaches(value, self.wanted):
            return "reached"
        return "SHORT"


BARS = (
    Bar("w1_seconds", "W1: one order, 10 jobs in sequence", "s", 0.25, 0.08, 0.03, 0.08),
    Bar("w2_ratio", "W2: 200 orders × 3 jobs, to the history / raw rate", "", 0.12, 0.20, 0.35, 0.20, True),
    Bar("pair_to_single", "W2 with a coupled pair of Controllers / with one", "", None, None, None, 0.6, True),
    Bar("w3_seconds", "W3: fork of 100", "s", 1.0, 0.35, 0.15, 0.35),
    Bar("w4_milliseconds", "W4: orders/add to process", "ms", 60, 20, 8, 20, digits=1),
    Bar("commits_per_job_agent", "commits per job, 8 at a time, Agent", "", 2, 1, 0.6, 1),
    Bar("commits_per_job_controller", "commits per job, 8 at a time, Controller", "", 2, 1, 0.6, 1),
    Bar("appended_committed_events_per_s", "journal alone, durable events", "/s", None, None, digits=0),
    Bar("projection_cpu_ms_per_event", "projection on SQLite, CPU per event", "ms", 0.03, 0.02, 0.01, 0.03),
    Bar("bytes_per_waiting_order", "memory per waiting order, Controller", "B", None, None, None, 4096, digits=0),
    Bar("recovery_seconds", "recovery, snapshot of 100,000 orders", "s", 6, 3, 1.5, 3, digits=2),
    Bar("replay_events_per_second", "replay", "/s", 30_000, 60_000, 120_000, 60_000, True, digits=0),
    Bar("released_by_lock_us", "100,000 wait for a lock: engine CPU per order", "µs", None, None, digits=0),
    Bar("released_by_lock_ratio", "the same, beside 10,000 orders", "x", None, None, None, 2, digits=2),
    Bar("released_by_notice_us", "100,000 wait for a notice: engine CPU per order", "µs", None, None, digits=0),
    Bar("released_by_notice_ratio", "the same, beside 10,000 orders", "x", None, None, None, 2, digits=2),
    Bar("real_released_by_lock_per_second", "real Controller: orders through a lock", "/s", None, None, digits=0),
    Bar("real_released_by_notice_per_second", "real Controller: orders by a notice", "/s", None, None, digits=0),
    Bar("watched_files_seconds", "10,000 files become finished orders", "s", None, None, digits=2),
    Bar("daily_plan_cpu_seconds", "10,000 schedules × 30 days: planning, CPU", "s", None, None, None, 20, digits=1),
    Bar("daily_plan_service_seconds", "10,000 schedules × 30 days: into SQLite", "s", None, None, None, 60, digits=1),
    Bar("history_page_ms_sqlite", "5,000,000 tasks: slowest first page, SQLite", "ms", None, None, None, 200, digits=0),
    Bar("history_page_ms_postgresql", "the same, PostgreSQL", "ms", None, None, None, 200, digits=0),
    Bar("inventory_import_seconds", "20,000 inventory objects: import", "s", None, None, None, 60, digits=1),
    Bar("inventory_tree_seconds", "the same: tree of folders", "s", None, None, digits=2),
    Bar("inventory_search_by_name_seconds", "the same: search by name", "s", None, None, digits=2),
    Bar("inventory_search_in_scripts_seconds", "the same: search in scripts", "s", None, None, digits=2),
    Bar("inventory_deploy_seconds", "the same: 1,000 workflows deployed", "s", None, None, None, 60, digits=1),
    Bar("inventory_longest_wait_seconds", "the same: longest wait of others", "s", None, None, digits=2),
    Bar("cold_start_seconds", "cold start to the first finished order", "s", 5, 2.5, 1.5, 2.5, digits=2),
    Bar("idle_cpu_percent", "idle, CPU of the whole tree of `up`", "%", 2, 1, 0.5, 1, digits=2),
    Bar("idle_pss_mib", "idle, PSS of the whole tree of `up`", "MiB", 300, 200, 130, 260, digits=0),
)


def table(figures: Mapping[str, Any]) -> str:
    """The lines of what has been measured."""
    lines = [f"{'':54} {'measured':>12}   {'bar':>8}   {'must / good / excellent':26} verdict"]
    for bar in BARS:
        value = figures.get(bar.figure)
        if value is None:
            continue
        levels = " / ".join("-" if level is None else f"{level:g}" for level in (bar.must, bar.good, bar.excellent))
        wanted = "-" if bar.wanted is None else f"{bar.wanted:g}"
        verdict = "" if bar.wanted is None and bar.must is None else bar.verdict(value)
        measured = f"{value:,.{bar.digits}f} {bar.unit}".rstrip()
        lines.append(f"{bar.text:54} {measured:>12}   {wanted:>8}   {levels:26} {verdict}")
    return "\n".join(lines)


def verdicts(figures: Mapping[str, Any]) -> dict[str, str]:
    return {bar.figure: bar.verdict(figures[bar.figure]) for bar in BARS if bar.figure in figures and bar.wanted}
