"""AdmissionTime: enter a block only in certain periods (workflow spec 2.20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from stellwerk.language.instructions.base import Block, Instruction, Nested
from stellwerk.language.schedules import AdmissionTimeScheme


class AdmissionTime(Instruction, frozen=True, kw_only=True, tag="AdmissionTime"):
    ALIASES: ClassVar[Mapping[str, str]] = {"skipIfNoAdmissionForOrderDay": "skipIfNoAdmissionStartForOrderDay"}

    admission_time_scheme: AdmissionTimeScheme
    block: Block
    skip_if_no_admission_start_for_order_day: bool = False

    def nested(self, is_in_catch: bool) -> Iterator[Nested]:
        yield Nested("admissionTime", self.block, "block")
