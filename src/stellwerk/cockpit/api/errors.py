"""Errors that handlers raise, with status and body as in cockpit-api 1.3 and 1.4."""

from __future__ import annotations

from typing import Any

from stellwerk.values.problems import ProblemError

#: Code of a command that a Controller has refused, in the failures of a `BulkError`.
COMMAND_REFUSED = "COMMAND-001"


class ApiError(Exception):
    """Status 420 (default) with an error object. `kind` is the exception name that starts the message."""

    def __init__(self, message: str, *, code: str = "JOC-420", status: int = 420, kind: str = "JocException") -> None:
        super().__init__(message)
        self.message = f"{kind}: {message}"
        self.code = code
        self.status = status


class BadRequest(ApiError):
    """An explicit check failed: invalid value, unknown id, illegal state (JOC-400)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-400", kind="JocBadRequestException")


class MissingParameter(ApiError):
    """JOC-406 `undefined '<name>'`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"undefined '{name}'", code="JOC-406", kind="JocMissingRequiredParameterException")


class ObjectNotFound(ApiError):
    """JOC-002: an object of inventory or database does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-002", kind="DBMissingDataException")


class ControllerObjectNotFound(ApiError):
    """JOC-161: e.g. no order matches the filter of a command."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-161", kind="ControllerObjectNotExistException")


class ControllerUnreachable(ApiError):
    """JOC-402: the Controller gave no answer. Status 420; 434 for routes that say so (`Route.controller_status`)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="JOC-402", kind="ControllerConnectionRefusedException")


class ControllerRefused(ApiError):
    """The Controller has answered with a problem; its text is shown as it is."""

    def __init__(self, error: ProblemError) -> None:
        super().__init__(str(error.problem), code="JOC-405", kind="ControllerInvalidResponseDataException")
        self.problem = error.problem


class FolderDenied(ApiError):
    """JOC-419: the object lies in a folder that the account may not see."""

    def __init__(self, folder: str) -> None:
        super().__init__(f"Access denied for folder: {folder}", code="JOC-419", kind="JocFolderPermissionsException")


class BulkError(Exception):
    """Status 419: some objects of a bulk operation failed; each `(path, code, message)` (cockpit-api 1.3)."""

    def __init__(self, failures: list[tuple[str, str, str]]) -> None:
        super().__init__(f"{len(failures)} objects failed")
        self.failures = failures


class AccessDenied(Exception):
    """Status 403: the session lacks `permission`."""

    def __init__(self, permission: str) -> None:
        super().__init__(f"Access denied: the permission {permission} is missing")
        self.permission = permission


class ApprovalNeeded(Exception):
    """Status 433: the session may do this once somebody has approved it (four-eyes principle)."""


class StatusAnswer(Exception):
    """An answer with a status of its own: a failed login (401), an expired session (440)."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(status))
        self.status = status
        self.body = body
        self.headers = headers or {}
