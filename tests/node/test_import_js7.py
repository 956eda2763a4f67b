"""Import of JS7's HOCON files: what is taken over, what is reported, what is refused (journal spec 2.4 to 2.6, 5.3)."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from stellwerk.cli.main import app
from stellwerk.node.configuration import (
    ConfigurationError,
    read_agent_configuration,
    read_controller_configuration,
)
from stellwerk.node.import_js7 import Imported, import_js7
from stellwerk.wire.users import Permission, Users

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"

CONTROLLER_CONF = """
js7.controller.id = "night"                       # a comment
js7.journal {
  sync = on
  snapshot { period = 10 minutes, when-bigger-than = 1GB }
  users-allowed-to-release-events = [ joc ]
  release-events-delay = 90s
}
js7.auth.session.timeout = 30 minutes
js7.web.server.auth.get-is-public = on
js7.web.server.auth.invalid-authentication-delay = 2s
js7.web.https.truststores = [ { file = ${js7.config-directory}"/private/ca.pem" } ]
js7.web.https.keystore.file = "/etc/ssl/controller.pem"
js7.web.client.compression = on
js7.configuration.trusted-signature-keys.X509 = ${js7.config-directory}"/private/trusted-x509-keys"
"""

PRIVATE_CONF = """
js7.auth.users {
  joc { password = "plain:geheim", permissions = [ UpdateItem, ReadMetrics ] }
  history = "sha512:%s"
  standby { distinguished-names = [ "CN=host, OU=devel, O=Example, C=DE" ] }
}
js7.auth.agents { AGENT-A = "to-a", "agent.b" = "to\\"b" }
""" % ("ab" * 64)

AGENT_CONF = """
js7.job.execution { signed-script-injection-allowed = yes, encoding = "iso-8859-1", sigkill-delay = 500ms }
js7.web.https.keystore { file = "/etc/ssl/agent.p12", store-password = "jobscheduler" }
js7.directory-watch.watch-delay = 100ms
"""


def make_js7(folder: Path, name: str, conf: str, private: str = "") -> Path:
    (folder / "config/private/trusted-x509-keys").mkdir(parents=True)
    (folder / "config" / f"{name}.conf").write_text(conf)
    if private:
        (folder / "config/private/private.conf").write_text(private)
    (folder / "config/private/trusted-x509-keys/joc.crt").write_text(CERTIFICATE)
    (folder / "config/private/trusted-x509-keys/readme.txt").write_text("who is trusted")
    return folder


def notes(imported: Imported) -> dict[str, str]:
    return {note.key: note.text for note in imported.notes}


@pytest.fixture
def controller(tmp_path: Path) -> Path:
    return make_js7(tmp_path / "js7", "controller", CONTROLLER_CONF, PRIVATE_CONF)


def test_a_controller_is_taken_over_and_can_be_read_by_the_node(controller: Path, tmp_path: Path) -> None:
    import_js7(controller, tmp_path / "new")

    read = read_controller_configuration(tmp_path / "new")
    assert read.id == "night"
    assert read.web.port == 4444
    assert read.web.session_timeout_seconds == 1800
    assert read.web.get_is_public and not read.web.public and not read.web.loopback_is_public
    assert read.web.invalid_authentication_delay_seconds == 2
    assert read.web.certificate == "/etc/ssl/controller.pem"
    assert read.web.trust == read.client_trust == (f"{controller}/config/private/ca.pem",)
    assert read.journal.snapshot_period_seconds == 600
    assert read.journal.snapshot_when_bigger_than == 1_000_000_000
    assert read.journal.release_events_delay_seconds == 90
    assert read.journal.users_allowed_to_release_events == ("joc",)
    assert read.agents == {"AGENT-A": "to-a", "agent.b": 'to"b'}


def test_users_can_log_in_as_before(controller: Path, tmp_path: Path) -> None:
    import_js7(controller, tmp_path / "new")

    users = Users.from_configuration(read_controller_configuration(tmp_path / "new").users)
    joc = users.with_password("joc", "geheim")
    assert joc is not None and joc.has(Permission.UPDATE_ITEM) and joc.has(Permission.READ_METRICS)
    assert users.with_password("joc", "other") is None
    from stellwerk.wire.distinguished_names import parse_distinguished_name

    named = users.with_distinguished_name(parse_distinguished_name("CN=host,OU=devel,O=Example,C=DE"))
    assert [user.id for user in named] == ["standby"]


def test_secrets_are_in_a_file_of_their_owner_and_nowhere_else(controller: Path, tmp_path: Path) -> None:
    imported, files = import_js7(controller, tmp_path / "new")

    private = tmp_path / "new/private.toml"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    for file in files:
        assert file == private or ("geheim" not in file.read_text() and "to-a" not in file.read_text())
    assert "geheim" not in repr(imported.notes)


def test_trusted_certificates_are_copied_and_other_files_are_named(controller: Path, tmp_path: Path) -> None:
    imported, _ = import_js7(controller, tmp_path / "new")

    assert (tmp_path / "new/private/trusted-x509-keys/joc.pem").read_text() == CERTIFICATE
    assert "readme.txt" in notes(imported)["js7.configuration.trusted-signature-keys.X509"]


def test_what_has_no_counterpart_is_reported(controller: Path, tmp_path: Path) -> None:
    imported, _ = import_js7(controller, tmp_path / "new")

    assert "no counterpart" in notes(imported)["js7.web.client.compression"]
    assert "always synced" in notes(imported)["js7.journal.sync"]
    assert "127.0.0.1" in notes(imported)["--http-port, --https-port"]


def test_an_agent_is_taken_over(tmp_path: Path) -> None:
    js7 = make_js7(tmp_path / "js7", "agent", AGENT_CONF)
    (js7 / "config/executables").mkdir()

    imported, _ = import_js7(js7, tmp_path / "new")

    read = read_agent_configuration(tmp_path / "new")
    assert read.jobs.signed_script_injection_allowed
    assert read.jobs.encoding == "iso-8859-1"
    assert read.jobs.sigkill_delay_seconds == 0.5
    assert read.web.port == 4445
    assert read.web.certificate is None
    assert "openssl pkcs12" in notes(imported)["js7.web.https.keystore.file"]
    assert "no counterpart" in notes(imported)["js7.directory-watch.watch-delay"]
    assert "executables" in notes(imported)["config/executables"]
    assert "jobscheduler" not in repr(imported)


def test_private_conf_wins(tmp_path: Path) -> None:
    js7 = make_js7(tmp_path / "js7", "controller", 'js7.controller.id = "a"', 'js7.controller.id = "b"')

    import_js7(js7, tmp_path / "new")

    assert read_controller_configuration(tmp_path / "new").id == "b"


def test_nothing_that_exists_is_overwritten(controller: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/private.toml").write_text("# mine\n")

    with pytest.raises(ConfigurationError, match="exists already"):
        import_js7(controller, tmp_path / "new")

    assert [file.name for file in (tmp_path / "new").iterdir()] == ["private.toml"]


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ("js7 { web", "no HOCON"),
        ("js7.auth.session.timeout = 5", "with its unit"),
        ("js7.auth.session.timeout = 1 fortnight", "with its unit"),
        ("js7.auth.session.timeout = 2 months", "with its unit"),
        ("js7.web.server.auth.public = maybe", "on or off"),
        ("js7.journal.snapshot.when-bigger-than = many", "a size"),
        ("js7.controller.id = [ 1 ]", "a text"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(conf: str, message: str, tmp_path: Path) -> None:
    js7 = make_js7(tmp_path / "js7", "controller", conf)

    with pytest.raises(ConfigurationError, match=message) as caught:
        import_js7(js7, tmp_path / "new")

    assert str(js7) in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_secret_is_not_shown_in_an_error(tmp_path: Path) -> None:
    js7 = make_js7(tmp_path / "js7", "controller", "", 'js7.auth.users = "very-secret"')

    with pytest.raises(ConfigurationError) as caught:
        import_js7(js7, tmp_path / "new")

    assert "very-secret" not in str(caught.value)


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"neither controller.conf nor agent.conf"):
        import_js7(tmp_path, tmp_path / "new")


def test_the_command_reports_in_json(controller: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["import-js7", str(controller), "--data", str(tmp_path / "new"), "--json"])

    answer = msgspec.json.decode(result.stdout)
    assert result.exit_code == 0
    assert answer["component"] == "controller"
    assert str(tmp_path / "new/controller.toml") in answer["files"]
    assert "js7.journal.sync" in [note["key"] for note in answer["notes"]]
