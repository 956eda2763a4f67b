"""The commands of the vendor's shell CLI by their line in the matrix: which text each call sends, in which state.

The texts are put together as the scripts do it: by concatenation, with quoted numbers and surplus braces where the
specification says so (cockpit-api 2.1, 2.2). Paths and what is read come from the matrix itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.script import FAILURE, NOTICE_WARNING, SUCCESS, WARNING, Script, ScriptFailure
from tests.contract.world import NOWHERE, SERVICE, World

Text = str | Callable[[World], str]


@dataclass(frozen=True)
class Form:
    """A call with `multipart/form-data`."""

    fields: dict[str, str]
    file: Callable[[World], Path]


@dataclass(frozen=True)
class Command:
    """`calls`: a text or form for each call of the matrix' line. `before` prepares, `after` restores."""

    calls: tuple[Text | Form | None, ...]
    before: Callable[[World], Any] | None = None
    after: Callable[[World], Any] | None = None
    exit_code: int = SUCCESS
    #: Exit code where the answer's error is JOC-400.
    warning: int = WARNING
    #: What the script reads besides; raises if it would stumble.
    reads: Callable[[Script], None] | None = None
    #: Played after all others: the installation is not the same then.
    is_last: bool = False


def nothing_to_send(reason: str) -> Command:
    """No call: the command works on its own machine."""
    assert reason
    return Command(calls=())


AUDIT = ', "auditLog": {"comment": "contract", "timeSpent": 1, "ticketLink": "T-1"}'
C = '"controllerId":"controller"'
S = f'"identityServiceName":"{SERVICE}"'


def command(*calls: Text | Form | None, **options: Any) -> Command:
    return Command(calls=calls, **options)


def body(text: str) -> str:
    """An object with the Controller's id and the audit block."""
    return "{" + C + (", " + text if text else "") + AUDIT + "}"


def iam(text: str, audit: str = AUDIT) -> str:
    return "{" + S + (", " + text if text else "") + audit + "}"


def configuration(path: str, object_type: str = "WORKFLOW") -> str:
    return f'{{"configuration":{{"path":"{path}","objectType":"{object_type}","recursive":false}}}}'


def of_role(name: str, text: str, audit: str = AUDIT) -> str:
    return iam(f'"roleName":"{name}", "controllerId":""' + (", " + text if text else ""), audit)


# --- operate-workflow.sh ----------------------------------------------------------------------------------------------

_ADD_ORDER = body(
    '"orders":[{"orderName":"contract", "workflowPath":"/contract/WAITING", "scheduledFor":"now", '
    '"timeZone":"Europe/London", "arguments":{"key":"value"}, "endPositions":["sleeping"], "forceJobAdmission":false}]'
)
_FOLDER = '"folders":[{"folder":"/contract","recursive":true}]'


def _order_ids(rest: str, state: str, workflow: str = "WAITING") -> Callable[[World], str]:
    return lambda world: body(f'"orderIds":["{world.order(workflow, state)}"]' + (", " + rest if rest else ""))


def _resume(world: World) -> str:
    return body(f'"orderIds":["{world.suspended_order()}"], "position":"sleeping", "arguments":{{"key":"other"}}')


def _transition(world: World) -> str:
    version = world.found.splitlines()[0]
    return body(f'"workflowId":{{"path":"/contract/TRANSFER","versionId":"{version}"}}')


_CANCEL = '"timeZone":"Europe/London", "kill":true, "deep":false'
_OPERATE_WORKFLOW = {
    1: command(_ADD_ORDER),
    2: command(_order_ids(_CANCEL, "WAITING")),
    3: command(
        body(f'{_FOLDER}, "states":["WAITING"], "timeZone":"Etc/UTC", "reset":true, "kill":false, "deep":true'),
        before=lambda world: world.order("WAITING", "WAITING"),
    ),
    4: command(_resume),
    5: command(
        body('"workflowIds":[{"path":"/contract/WAITING"}], "states":["WAITING"]'),
        before=lambda world: world.order("WAITING", "WAITING"),
    ),
    6: command(_order_ids("", "PROMPTING", "PROMPT")),
    7: command(
        body('"workflowId":{"path":"/contract/TRANSFER"}'),
        body('"folders":[{"folder":"/contract"}]'),
        _transition,
        before=World.order_of_old_version,
    ),
    8: command(
        body('"workflowPaths":["/contract/PAUSED"]'),
        before=lambda world: world.attempt("workflows/resume", workflowPaths=["/contract/PAUSED"]),
    ),
    9: command(
        body(_FOLDER), before=lambda world: world.attempt("workflows/suspend", workflowPaths=["/contract/PAUSED"])
    ),
    10: command(body('"workflowId":{"path":"/contract/JOB"}, "positions":["job"]')),
    11: command(
        body('"workflowId":{"path":"/contract/JOB"}, "positions":["job"]'),
        before=lambda world: world.attempt("workflow/stop", workflowId={"path": "/contract/JOB"}, positions=["job"]),
    ),
    12: command(body('"workflowPath":"/contract/JOB", "labels":["job"]')),
    13: command(body('"workflowPath":"/contract/JOB", "labels":["job"]')),
    14: command(body('"noticeId":"2026-01-31", "noticeBoardPaths":["/contract/BOARD"], "timeZone":"Etc/UTC"')),
    15: command(
        body(f'{_FOLDER}, "noticeBoardPaths":["/contract/BOARD"]'),
        before=lambda world: world.notices("a"),
        warning=NOTICE_WARNING,
        reads=lambda script: _equal(script.read(".noticeBoards[].path"), "/contract/BOARD"),
    ),
    16: command(
        body('"noticeBoardPath":"/contract/BOARD", "noticeIds":["b"]'),
        body('"noticeBoardPaths":["/contract/BOARD"]'),
        body('"noticeBoardPath":"/contract/BOARD", "noticeIds":["c"]'),
        before=lambda world: world.notices("b", "c"),
        warning=NOTICE_WARNING,
    ),
}


def _equal(found: str, expected: str) -> None:
    assert found == expected, found


# --- deploy-workflow.sh -----------------------------------------------------------------------------------------------

_EXPORT_FILE = '"exportFile":{"filename":"export.zip","format":"ZIP"}, "useShortPath":false'
_DEPLOYABLES = f'"deployables":{{"deployConfigurations":[{configuration("/contract/JOB")}]}}'
#: The audit block stands behind the surplus brace, outside of the first JSON value.
_SURPLUS = "}" + AUDIT + "}"
_SCRIPTS = '"objectType":"INCLUDESCRIPT","recursive":false'


def _imported(world: World) -> Path:
    return world.archive("sub/IMPORTED.workflow.json", {"instructions": []})


_IMPORT = {"format": "ZIP", "targetFolder": "/imported", "overwrite": "true", "comment": "contract"}
_DEPLOY_WORKFLOW = {
    27: command("{" + _EXPORT_FILE + ', "startFolder":"/contract", "shallowCopy":{' + _DEPLOYABLES + "}" + AUDIT + "}"),
    28: command(
        "{" + _EXPORT_FILE + ', "shallowCopy":{"objectTypes":["WORKFLOW"], "folders":["/contract"], "recursive":true, '
        '"onlyValidObjects":false, "withoutDrafts":false, "withoutDeployed":false, "withoutReleased":false}'
        + AUDIT
        + "}"
    ),
    29: command(Form(_IMPORT, _imported)),
    # Only with security level HIGH (cockpit-api 2.3): JOC-004.
    30: command(
        Form(
            {
                "format": "ZIP",
                "targetFolder": "/",
                "controllerId": "controller",
                "signatureAlgorithm": "SHA512withECDSA",
            },
            _imported,
        ),
        exit_code=FAILURE,
    ),
    31: command(
        '{"controllerIds":["controller"], '
        f'"store":{{"draftConfigurations":[{configuration("/contract/DEPLOYED")}]}}{AUDIT}}}',
        before=lambda world: world.store("/contract/DEPLOYED"),
    ),
    32: command(
        f'{{"controllerIds":["controller"], "deployConfigurations":[{configuration("/contract/REVOKED")}]}}{_SURPLUS}',
        before=lambda world: world.deploy("REVOKED"),
    ),
    33: command(
        f'{{"update":[{{"path":"/contract/RELEASED",{_SCRIPTS}}}]}}{_SURPLUS}',
        before=lambda world: world.store("/contract/RELEASED", {"script": "echo"}, "INCLUDESCRIPT"),
    ),
    34: command(
        f'{{"releasables":[{{"path":"/contract/RECALLED","objectType":"INCLUDESCRIPT"}}]{AUDIT}}}',
        before=lambda world: world.release("/contract/RECALLED"),
    ),
    35: command(
        f'{{"path":"/recalled", "objectTypes":["INCLUDESCRIPT"], "recursive":false{AUDIT}}}',
        before=lambda world: world.release("/recalled/SCRIPT"),
    ),
    36: command(
        f'{{"path":"/contract/STORED", "objectType":"WORKFLOW", "configuration":{{"instructions":[]}}{AUDIT}}}'
    ),
    37: command(f'{{"path":"/contract", "recursive":true{AUDIT}}}'),
    38: command(
        f'{{"objects":[{{"path":"/contract/GONE","objectType":"WORKFLOW"}}]{AUDIT}}}',
        before=lambda world: world.store("/contract/GONE"),
    ),
    39: command(f'{{"path":"/gone"{AUDIT}}}', before=lambda world: world.store("/gone/GONETOO")),
    40: command(
        f'{{"path":"/contract/TRASH", "objectType":"WORKFLOW", "newPath":"/contract/TRASH", "suffix":"", '
        f'"prefix":""{AUDIT}}}',
        before=lambda world: world.remove("/contract/TRASH"),
    ),
    41: command(
        f'{{"objects":[{{"path":"/contract/DELETED","objectType":"WORKFLOW"}}]{AUDIT}}}',
        before=lambda world: world.remove("/contract/DELETED"),
    ),
    42: command(f'{{"path":"/deleted"{AUDIT}}}', before=lambda world: world.remove_folder("/deleted")),
    43: nothing_to_send("openssl on this machine"),
}

# --- operate-controller.sh --------------------------------------------------------------------------------------------


def _url(world: World) -> str:
    return f'"url":"{world.controller_url}"'


def _agents(id_: str) -> str:
    return body(f'"agentIds":["{id_}"]')


_OPERATE_CONTROLLER = {
    44: command(body('"withSwitchover":false'), before=World.controller_start, after=World.controller_is_back),
    45: command(body('"withSwitchover":false'), before=World.controller_start, after=World.controller_is_back),
    46: command(body(""), before=World.controller_start, after=World.controller_is_back),
    47: command(body(""), before=World.controller_start, after=World.controller_is_back),
    # A stand-alone Controller and stand-alone Agents have no cluster: JOC-400 (cockpit-api 2.3).
    48: command(body(""), exit_code=WARNING),
    49: command(body(""), exit_code=WARNING),
    50: command(body(""), exit_code=WARNING),
    51: command(lambda world: body(_url(world))),
    52: command(lambda world: body(_url(world))),
    53: command('{"controllerIds":["controller"], "agentIds":["agent-1"]' + AUDIT + "}"),
    54: command(_agents("agent-2")),
    55: command(_agents("agent-2"), after=lambda world: world.attempt("agents/inventory/enable", agentIds=["agent-2"])),
    56: command(body('"agentIds":["agent-1"], "states":["COUPLED"], "onlyVisibleAgents":true')),
    57: command(body('"agentId":"agent-2", "force":true'), after=World.agents_are_coupled),
    58: nothing_to_send("a defect of the script: the call is never made"),
    59: command(body('"agentId":"agent-1"'), exit_code=WARNING),
    60: command(body('"subagentIds":["on-2"]'), before=lambda world: world.cluster("on")),
    61: command(body('"subagentIds":["off-2"]'), before=lambda world: world.cluster("off")),
    62: command(body('"subagentId":"reset-2"'), before=lambda world: world.cluster("reset", deployed=True)),
}

# --- deploy-controller.sh ---------------------------------------------------------------------------------------------


def _register(world: World) -> str:
    node = f'"url":"{world.controller_url}", "clusterUrl":"", "role":"STANDALONE", "title":""'
    return f'{{"controllerId":"", "controllers":[{{{node}}}]{AUDIT}}}'


def _subagent(id_: str, director: str, rest: str = "") -> str:
    texts = f'"subagentId":"{id_}", "url":"{NOWHERE}/{id_}", "title":""'
    return f'{{"isDirector":"{director}", {texts}, "withGenerateSubagentCluster":true{rest}}}'


def _agent_archive(world: World) -> Path:
    agent = {"agentId": "imported", "agentName": "imported", "url": f"{NOWHERE}/imported"}
    return world.archive("imported.agent.json", {"standaloneAgent": agent})


_SINGLE = f'"agentId":"single", "agentName":"single", "title":"", "url":"{NOWHERE}/single", "hidden":false'
_PAIR = '"agentId":"stored", "agentName":"stored", "title":"", "processLimit":5, "agentNameAliases":["other"]'
_MEMBERS = '[{"subagentId":"bundle-1", "priority":"0"}, {"subagentId":"bundle-2", "priority":"1"}]'


def _bundles(id_: str) -> str:
    return body(f'"subagentClusterIds":["{id_}"]')


_DEPLOY_CONTROLLER = {
    63: command(_register),
    64: command(body(""), after=World.register_again, is_last=True),
    65: command(lambda world: body(_url(world))),
    66: command('{"exportFile":{"filename":"agents.tar.gz","format":"TAR_GZ"}, "agentIds":["agent-1"]' + AUDIT + "}"),
    67: command(Form({"format": "ZIP", "controllerId": "controller", "overwrite": "true"}, _agent_archive)),
    68: command(body(f'"agents":[{{{_SINGLE}, "processLimit":3, "agentNameAliases":["alias"]}}]')),
    69: command(body(f'"clusterAgents":[{{{_PAIR}, "subagents":[{_subagent("stored-1", "PRIMARY_DIRECTOR")}]}}]')),
    70: command(body('"agentId":"doomed"'), before=lambda world: world.agent("doomed")),
    71: command(_agents("sent"), before=lambda world: world.agent("sent")),
    72: command(body('"clusterAgentIds":["both"]'), before=lambda world: world.cluster("both")),
    73: command(_agents("back"), before=lambda world: world.agent("back", deployed=True)),
    74: command(body('"clusterAgentIds":["pair"]'), before=lambda world: world.cluster("pair", deployed=True)),
    75: command(
        body(f'"agentId":"more", "subagents":[{_subagent("more-3", "NO_DIRECTOR")}]'),
        before=lambda world: world.cluster("more"),
    ),
    76: command(body('"subagentIds":["less-2"]'), before=lambda world: world.cluster("less")),
    77: command(
        '{"subagentClusters":[{"agentId":"bundle", "subagentClusterId":"bundle", "title":"", '
        f'"subagentIds":{_MEMBERS}}}]{AUDIT}}}',
        before=lambda world: world.cluster("bundle"),
    ),
    78: command(_bundles("b1"), before=lambda world: world.cluster("a1", bundle="b1")),
    79: command(_bundles("b2"), before=lambda world: world.cluster("a2", bundle="b2", deployed=True)),
    80: command(_bundles("b3"), before=lambda world: world.cluster("a3", bundle="b3", deployed=True)),
}

# --- deploy-identity-service.sh ---------------------------------------------------------------------------------------

_PERMISSION = "sos:products:joc:auditlog:view"


def _accounts(name: str, rest: str = "") -> Command:
    return command(iam(f'{rest}"accountNames":["{name}"]'), before=lambda world: world.account(name))


_SERVICE_TYPE = '"identityServiceType":"JOC", "serviceAuthenticationScheme":"SINGLE-FACTOR"'
_SETTINGS_KEY = f'"id":0, "configurationType":"IAM", "name":"{SERVICE}", "objectType":"JOC"'
_DEPLOY_IDENTITY_SERVICE = {
    81: command(iam('"enabled":false, "disabled":false', audit="")),
    82: command(iam("", audit="")),
    83: command(iam('"accountName":"clerk", "disabled":false, "forcePasswordChange":false, "roles":["all"]')),
    84: command(
        iam('"accountOldName":"before", "accountNewName":"after"'), before=lambda world: world.account("before")
    ),
    85: _accounts("removed", '"enabled":false, "disabled":false, '),
    86: command(iam('"accountName":"asked"', audit=""), before=lambda world: world.account("asked")),
    87: command(
        iam(
            '"accountName":"changing", "oldPassword":"old password of it", "password":"new password of it", '
            '"repeatedPassword":"new password of it"'
        ),
        before=lambda world: world.account("changing", password="old password of it"),
    ),
    88: _accounts("forgetful"),
    89: _accounts("enabled"),
    90: _accounts("disabled"),
    91: command(iam('"accountName":"blocked", "comment":"contract"'), before=lambda world: world.account("blocked")),
    92: command(iam('"accountNames":["unblocked"]'), before=lambda world: world.blocked("unblocked")),
    93: command(iam("", audit="")),
    94: command(iam('"roleName":"r94"', audit=""), before=lambda world: world.role("r94")),
    95: command(iam('"roleName":"r95", "ordering":1')),
    96: command(iam('"roleOldName":"r96", "roleNewName":"r96new"'), before=lambda world: world.role("r96")),
    97: command(iam('"roleNames":["r97"]'), before=lambda world: world.role("r97")),
    98: command(of_role("r98", "", audit=""), before=lambda world: world.role("r98", permission=_PERMISSION)),
    99: command(
        of_role("r99", f'"permissionPath":"{_PERMISSION}"', audit=""),
        before=lambda world: world.role("r99", permission=_PERMISSION),
    ),
    100: command(
        of_role("r100", f'"permissions":[{{"permissionPath":"{_PERMISSION}", "excluded":false}}]'),
        before=lambda world: world.role("r100"),
    ),
    101: command(
        of_role(
            "r101",
            f'"oldPermissionPath":"{_PERMISSION}", '
            '"newPermission":{"permissionPath":"sos:products:joc:calendars:view", "excluded":false}',
        ),
        before=lambda world: world.role("r101", permission=_PERMISSION),
    ),
    102: command(
        of_role("r102", f'"permissionPaths":["{_PERMISSION}"]'),
        before=lambda world: world.role("r102", permission=_PERMISSION),
    ),
    103: command(of_role("r103", "", audit=""), before=lambda world: world.role("r103", folder="/a")),
    104: command(of_role("r104", '"folderName":"/a"', audit=""), before=lambda world: world.role("r104", folder="/a")),
    105: command(
        of_role("r105", '"folders":[{"folder":"/a", "recursive":true}]'), before=lambda world: world.role("r105")
    ),
    106: command(
        of_role("r106", '"oldFolderName":"/a", "newFolder":{"folder":"/b", "recursive":false}'),
        before=lambda world: world.role("r106", folder="/a"),
    ),
    107: command(of_role("r107", '"folderNames":["/a"]'), before=lambda world: world.role("r107", folder="/a")),
    108: command("{}"),
    109: command("{" + S + "}"),
    110: command(f'{{"identityServiceName":"S110", {_SERVICE_TYPE}, "disabled":true, "required":false{AUDIT}}}'),
    111: command(
        f'{{"identityServiceOldName":"S111", "identityServiceNewName":"S111new"{AUDIT}}}',
        before=lambda world: world.service("S111"),
    ),
    112: command(f'{{"identityServiceName":"S112"{AUDIT}}}', before=lambda world: world.service("S112")),
    113: command("{" + _SETTINGS_KEY + "}"),
    114: command("{" + _SETTINGS_KEY + ', "configurationItem":"{}"}' + _SURPLUS),
}

# --- operate-joc.sh ---------------------------------------------------------------------------------------------------

_ALL_AGENTS = body('"onlyVisibleAgents":false')


def _health(script: Script) -> None:
    """Severities are compared as numbers; the script stumbles over one that is missing."""
    severities = '.. | objects | select(has("_text")) | if .severity | type == "number" then empty else ._text end'
    assert script.read(f'[{severities}] | join(",")') == "", script.answer
    assert int(script.read(".agents | length")) > 0


def _license(script: Script) -> None:
    if not script.read(".valid"):
        raise ScriptFailure(NOTICE_WARNING, script.answer)


def _member(world: World) -> str:
    [member] = [item["memberId"] for item in world.api.post("jocs")["jocs"]]
    return f'{{"memberId":"{member}"{AUDIT}}}'


def _settings(world: World) -> str:
    item = world.api.post("settings")["configuration"]["configurationItem"]
    return '{"configurationItem":' + json.dumps(item) + AUDIT + "}"


_OPERATE_JOC = {
    115: command(body("")),
    116: command(_ALL_AGENTS),
    117: command(body(""), _ALL_AGENTS, reads=_health),
    118: command('{"controllerIds":["controller"], "agentIds":[]' + AUDIT + "}"),
    # One Cockpit alone: the script finds no other member; the call is made with the only one.
    119: command(body(""), _member),
    120: command('{"type":"history"' + AUDIT + "}"),
    121: command('{"type":"cleanup"' + AUDIT + "}"),
    # Open source: the licence is not "valid", which is exit 2 by the script's design.
    122: command(None, exit_code=NOTICE_WARNING, reads=_license),
    123: command("{}"),
    124: command(_settings),
}

COMMANDS: dict[int, Command] = {
    **_OPERATE_WORKFLOW,
    **{number: nothing_to_send("Java on this machine") for number in range(17, 27)},
    **_DEPLOY_WORKFLOW,
    **_OPERATE_CONTROLLER,
    **_DEPLOY_CONTROLLER,
    **_DEPLOY_IDENTITY_SERVICE,
    **_OPERATE_JOC,
}
