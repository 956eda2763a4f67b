"""Problems: what is wrong, in the form that commands, events and people receive (orders spec 8).

A `Problem` is a value; `ProblemError` carries it as an exception. Code decides behaviour, never the text.
"""

from __future__ import annotations

from typing import Any

import msgspec

#: HTTP status of problem codes that are not answered with 400 (orders spec 8.2).
HTTP_STATUS: dict[str, int] = {
    "ControllerIsNotReady": 503,
    "ShuttingDown": 503,
    "WebServiceStillNotAvailable": 503,
    "UserDoesNotHavePermission": 403,
    "InvalidLogin": 401,
    "InvalidSessionToken": 403,
    "AgentIsShuttingDown": 503,
    "NoDirector": 503,
    "ClusterNodeIsNotActive": 503,
    "ClusterNodeIsNotReady": 503,
    "ClusterModuleShuttingDown": 503,
    "BackupClusterNodeNotAppointed": 503,
    "DiskSpaceIsLow": 503,
}

#: Texts of coded problems; `{name}` is replaced by the argument. Wording is free, the arguments must be contained.
TEMPLATES: dict[str, str] = {
    "UnknownKey": "No such {type}: {key}",
    "DuplicateKey": "Duplicate {type}: {key}",
    "UnknownItemKey": "No such item: {key}",
    "UnknownItemPath": "No such item: {path}",
    "InvalidName": "{name} is not a valid name for {type}",
    "EmptyString": "{type} must not be empty",
    "MissingReferencedItem": "{itemKey} refers to the unknown {referencedItemPath}",
    "ItemIsStillReferenced": "{itemPath} is still referenced by {referencingItemKey} {moreInfo}",
    "VersionedItemRemoved": "{path} has been removed",
    "ItemVersionDoesNotMatch": "Version {versionId} does not match {id}",
    "DuplicatedBranchIdsInFork": "Branch ids of a Fork must be unique: {branchIds}",
    "UndeclaredOrderArgument": "Undeclared order argument: {name}",
    "FinalOrderArgument": "Order argument is final and must not be given: {name}",
    "MissingOrderArgument": "Missing order argument of type {type}: {name}",
    "WrongValueType": "Order argument {name} has type {type}, but {expectedType} is expected",
    "MissingObjectFields": "{path} lacks the fields: {names}",
    "UndeclaredObjectFields": "{path} has undeclared fields: {names}",
    "EvaluationFailed": "{name} = {expression} cannot be evaluated: {problem}",
    "RecursiveEvaluation": "Recursive evaluation",
    "InvalidFunctionArguments": "{function} does not accept these arguments: {arguments}",
    "UnexpectedValueType": "Expected a value of type {expectedType}, but got {value}",
    "UnknownNameInExpression": "Unknown name: {name}",
    "ErrorInExpression": "{errorMessage}",
    "UnreachableOrderPosition": "The order cannot be moved to this position",
    "CannotResumeOrder": "The order cannot be resumed in its present state",
    "CannotSuspendOrder": "The order cannot be suspended in its present state",
    "CancelStartedOrder": "{orderId} has already started and is not cancelled in this mode",
    "GoOrderInapplicable": "{orderId} is not waiting at this position",
    "CannotDeleteChildOrder": "{orderId} is a child order and cannot be deleted",
    "CannotDeleteWatchingOrder": "{orderId} is linked to a file that still exists",
    "InapplicableOrderEvent": "{event} is not applicable to {order}",
    "PlanIsClosed": "Plan is closed: {planId}",
    "PlanIsFinished": "Plan is finished: {planId}",
    "PlanIsDeleted": "Plan is deleted: {planId}",
    "FileWatchPatternDoesntMatch": "The file {externalOrderName} does not match the pattern of {orderWatchPath}",
    "ClusterSwitchOverButNotCoupled": "There is no coupled cluster to switch over: {clusterState}",
    "SignedInjectionNotAllowed": "Scripts in workflows are not allowed at this Agent "
    "(agent.signed_script_injection_allowed is off)",
    "TamperedWithSignedMessage": "The signature does not fit the signed text",
    "MessageSignedByUnknown": "The text has been signed with an unknown key",
    "UnknownSignatureType": "No trusted keys are configured for signatures of type {typeName}",
    "ProcessLostDueToUnknownReason": "The process has been lost for an unknown reason",
    "ProcessLostDueToRestart": "The process has been lost due to a restart of the Agent",
    "ProcessLostDueToIsolation": "The process was ended because the active Director was cut off from the other one",
    "ProcessLostDueToReset": "The process has been lost due to a reset of the Agent",
    "ProcessLostDueToShutdown": "The process has been lost due to the shutdown of the Agent",
    "ProcessLostDueSubagentUriChange": "The process has been lost because its Subagent has moved to another address",
    "ProcessLostDueSubagentDeleted": "The process has been lost because {subagentId} has been deleted",
    "ProcessKilledDueToSubagentShutdown": "The process was killed by the shutdown of its Subagent: {outcome}",
    "SubagentShutDownBeforeProcessStart": "The Subagent was shut down before the process could start",
    "ProcessCancelledBeforeStart": "The process has been cancelled before it started",
    "ControllerIsNotReady": "The Controller is not ready yet",
    "ControllerIsShuttingDown": "The Controller is shutting down",
    "ShuttingDown": "The server is shutting down",
    "WebServiceStillNotAvailable": "The server is still starting",
    "UserDoesNotHavePermission": "{userId} does not have the permission {permission}",
    "InvalidLogin": "Login: unknown user or invalid password",
    "InvalidSessionToken": "Invalid session token",
    "UserIsNotEnabledToReleaseEvents": "The user is not in the list of users that may release events",
    "ReverseReleaseEvents": "Events up to {currentUntilEventId} have already been released, "
    "{requestedUntilEventId} is smaller",
    "UnknownEventId": "EventId {requestedEventId} is not available (oldest: {tornEventId}, newest: {lastAddedEventId})",
    "EventSeqTorn": "Events after {requestedAfter} are not kept any more; the oldest position is {tornEventId}",
    "OldEventId": "The next event {eventId} is older than {tornOlder}",
    "SnapshotForUnknownEventId": "No snapshot for EventId {eventId} ({eventIdString})",
    "AgentNotDedicated": "The Agent has not been dedicated to a Controller",
    "AgentAlreadyDedicated": "The Agent is already dedicated to a Controller",
    "AgentPathMismatch": "Agent {requestedAgentPath} was requested, but this is {realAgentPath}",
    "AgentWrongController": "Controller {requestedControllerId} asks, but the Agent belongs to {realControllerId}",
    "AgentRunIdMismatch": "Agent {agentPath} has another journal than expected: it was reset or lost its data",
    "AgentDuplicateOrder": "Order {orderId} is already at the Agent",
    "AgentIsShuttingDown": "The Agent is shutting down",
    "NoDirector": "No Agent Director is running here",
    "SubagentNotDedicated": "The Subagent has not been dedicated to an Agent since its start",
    "SubagentAlreadyDedicated": "The Subagent is already dedicated: {reasons}",
    "SubagentIdMismatch": "Subagent {requestedSubagentId} was requested, but this is {realSubagentId}",
    "SubagentRunIdMismatch": "Subagent {subagentId} is not the run that was requested: it has been started anew",
    "SubagentNotCoupled": "Another Director, or an earlier session of this one, is coupled with Subagent {subagentId}",
    "SubagentIsShuttingDown": "The Subagent is shutting down",
    "TermIsStale": "Term {term} is over: who asks has been deposed, for term {greatestTerm} has begun",
    "AgentReset": "Agent {agentPath} has been reset",
    "ClusterNodeIsNotActive": "This cluster node is not active",
    "ClusterNodeIsNotReady": "This cluster node is not ready yet",
    "BackupClusterNodeNotAppointed": "This backup node has not been appointed yet: no active node has called it",
    "ClusterSettingNotUpdatable": "The nodes of a cluster cannot be changed, except the address of the passive one",
    "PassiveClusterNodeUrlChangeableOnlyWhenNotCoupled": "The address of the passive node can only be changed while "
    "the nodes are not coupled",
    "PassiveClusterNodeShutdownNotAllowed": "A passive node cannot be shut down with a cluster action",
    "ClusterNodeIsNotBackup": "This cluster node is not a fresh backup node",
    "PrimaryClusterNodeMayNotBecomeBackup": "This node has a journal of its own and must not become a backup node: "
    "correct the configuration, or give it an empty data directory",
    "ClusterCommandInapplicable": "{command} is not applicable to the cluster state {clusterState}",
    "ClusterNodeHasBeenSwitchedOver": "This cluster node has been switched over: the other one is active now",
    "ClusterStateEmpty": "This node does not belong to a cluster",
    "NoClusterWatch": "No cluster watch is connected",
    "NoActiveClusterNode": "None of the nodes is active: {nodes}",
    "AckFromActiveClusterNode": "The node that should acknowledge has become active",
    "ClusterModuleShuttingDown": "The cluster node is shutting down",
    "InvalidClusterWatchHeartbeat": "Invalid request to the cluster watch from {from}: it is not the active node of "
    "the state {clusterState}",
    "ClusterWatchInactiveNode": "{from} is not the active node; the cluster watch knows {clusterState}",
    "ClusterWatchActiveStillAlive": "The active node is still alive: heard {duration} ago; {clusterState}",
    "ClusterWatchEventMismatch": "{event} does not fit what the cluster watch knows: {clusterState}",
    "ClusterWatchNotAsking": "The cluster watch has not been asked before, or too long ago",
    "ClusterFailOverWhilePassiveLost": "{from} must not fail over: it has been declared lost; {clusterState}",
    "ClusterNodeLossNotConfirmed": "The cluster watch does not know the state of the cluster. {fromNodeId} asks for "
    "{event}: a person must confirm that the lost node has been stopped",
    "ClusterFailoverNotConfirmed": "{fromNodeId} asks for {event}: a person must confirm that the lost node has been "
    "stopped",
    "ClusterNodeIsNotLost": "The loss of {nodeId} cannot be confirmed: {info}",
    "ClusterWatchIdNotUnique": "The id of the cluster watch {clusterWatchId} is used by another instance",
    "ClusterWatchRequestDoesNotMatch": "The confirmation does not belong to the present request",
    "ClusterWatchIdDoesNotMatch": "The confirmation comes from {rejectedId}, but {requestedId} has been asked",
    "OtherClusterWatchStillAlive": "Another cluster watch has answered a moment ago",
    "DiskSpaceIsLow": "Disk space is low: {freeBytes} bytes are free below {directory}, "
    "{requiredBytes} are required for new work",
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem as it stands in events and outcomes (orders spec 8.1); HTTP bodies add `"TYPE":"Problem"`."""

    message: str = ""
    code: str | None = None
    arguments: dict[str, str] = {}

    @classmethod
    def of(cls, code: str, **arguments: str) -> Problem:
        """A coded problem with the text of `TEMPLATES`."""
        template = TEMPLATES.get(code)
        if template is None:
            text = ", ".join(f"{name}={value}" for name, value in arguments.items())
        else:
            text = template
            for name, value in arguments.items():
                text = text.replace("{" + name + "}", value)
        return cls(message=text, code=code, arguments=arguments)

    @classmethod
    def combined(cls, problems: list[Problem]) -> Problem:
        """Several problems as one uncoded problem, texts joined by `;` and line feed (workflow spec 10)."""
        if len(problems) == 1:
            return problems[0]
        texts: list[str] = []
        for problem in problems:
            text = str(problem)
            if not texts or texts[-1] != text:
                texts.append(text)
        return cls(message=";\n".join(texts))

    @property
    def http_status(self) -> int:
        return HTTP_STATUS.get(self.code, 400) if self.code is not None else 400

    def __str__(self) -> str:
        """The form used where a problem becomes text: `CODE: message` (workflow spec 10)."""
        return self.message if self.code is None else f"{self.code}: {self.message}"

    def to_http(self) -> dict[str, Any]:
        """The JSON object of an HTTP error body or of an entry of a Batch answer."""
        body: dict[str, Any] = {"TYPE": "Problem"}
        if self.code is not None:
            body["code"] = self.code
        if self.arguments:
            body["arguments"] = self.arguments
        body["message"] = self.message
        return body


class ProblemError(Exception):
    """A `Problem` on its way to whoever asked."""

    def __init__(self, problem: Problem | str) -> None:
        self.problem = Problem(message=problem) if isinstance(problem, str) else problem
        super().__init__(str(self.problem))

    @classmethod
    def of(cls, code: str, **arguments: str) -> ProblemError:
        return cls(Problem.of(code, **arguments))
