/** One's own account (ui.md S19): preferences, password, what one may do. */
import { useQuery } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { useSingleKeysOff } from "../../app/keys";
import { usePreferences } from "../../app/preferences";
import { permissionsQuery } from "../../api/permissions";
import { sessionStore } from "../../api/session";
import { changeOwnPassword } from "../../api/settings";
import { PageTitle } from "../../components/PageTitle";
import { Failure, Panel, Remote } from "../../components/Panel";
import { subscribeTheme, themeChoice, type ThemeChoice } from "../../design/theme";
import { may, permissionRows } from "../../domain/permissions";
import styles from "./profile.module.css";

export function Profile() {
  const state = useSyncExternalStore(sessionStore.subscribe, sessionStore.get);
  const account = state.kind === "in" ? state.session.account : state.kind === "ended" ? state.account : "";
  const service = state.kind === "in" ? state.session.identityService : undefined;
  return (
    <div className={styles.page}>
      <PageTitle title={`${account} – Profile`} below={service !== undefined && <span>logged in at {service}</span>}>
        {account}
      </PageTitle>
      <Preferences />
      <Password account={account} service={service?.split(":").slice(1).join(":") ?? ""} />
      <Permitted />
    </div>
  );
}

function Preferences() {
  const theme = useSyncExternalStore(subscribeTheme, themeChoice);
  const keysOff = useSingleKeysOff();
  const { choose, error } = usePreferences();
  const themes: readonly (readonly [ThemeChoice, string])[] = [
    ["light", "light"],
    ["dark", "dark"],
    ["system", "as the system"],
  ];
  return (
    <Panel title="Preferences" aside="kept with the account; other browsers take them at the next login">
      <fieldset className={styles.choices}>
        <legend>Theme</legend>
        {themes.map(([value, words]) => (
          <label key={value} className="check">
            <input
              type="radio"
              name="theme"
              checked={theme === value}
              onChange={() => choose({ theme: value })}
            />
            {words}
          </label>
        ))}
      </fieldset>
      <label className="check">
        <input
          type="checkbox"
          checked={!keysOff}
          onChange={(event) => choose({ singleKeysOff: !event.target.checked })}
        />
        single keys are commands (<kbd>?</kbd> shows them)
      </label>
      {error !== null && <Failure error={error} />}
    </Panel>
  );
}

function Password({ account, service }: { account: string; service: string }) {
  const [isOpen, setOpen] = useState(false);
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const problem = old === "" || fresh === "" ? "Type the present password and the new one." : fresh !== again ? "The two new passwords differ." : undefined;
  return (
    <Panel title="Password">
      <button type="button" className="button" onClick={() => setOpen(true)}>
        Change password…
      </button>
      {isOpen && (
        <RequestDialog
          title="Change password"
          size={420}
          withoutComment
          hidden
          request={() => changeOwnPassword(service, account, old, fresh)}
          button="Change password"
          problem={problem}
          effect="Your other sessions end; this one goes on."
          done={() => "Changed the password"}
          refresh={[]}
          onClose={() => {
            setOpen(false);
            setOld("");
            setFresh("");
            setAgain("");
          }}
        >
          <label className="field">
            <span className="field-label">Present password</span>
            <input className="input" type="password" data-autofocus autoComplete="current-password" value={old} onChange={(event) => setOld(event.target.value)} />
          </label>
          <label className="field">
            <span className="field-label">New password</span>
            <input className="input" type="password" autoComplete="new-password" value={fresh} onChange={(event) => setFresh(event.target.value)} />
          </label>
          <label className="field">
            <span className="field-label">Once more</span>
            <input className="input" type="password" autoComplete="new-password" value={again} onChange={(event) => setAgain(event.target.value)} />
          </label>
        </RequestDialog>
      )}
    </Panel>
  );
}

function Permitted() {
  const query = useQuery(permissionsQuery());
  return (
    <Panel title="What you may do">
      <Remote query={query}>
        {(session) => {
          const leaves = permissionRows(session).filter(({ isLeaf }) => isLeaf);
          const short = (path: string): string => path.replace("sos:products:controller", "ctl").replace("sos:products:", "");
          const granted = leaves.filter(({ path }) => may(session, short(path)));
          const denied = leaves.length - granted.length;
          return (
            <>
              <p>
                Roles: <b>{session.roles.join(", ") || "none"}</b>
                {denied === 0 ? " – everything." : ` – ${granted.length} of ${leaves.length} permissions, at one Controller at least:`}
              </p>
              {denied > 0 && (
                <ul className={styles.permissions}>
                  {granted.map(({ path }) => (
                    <li key={path}>
                      <code>{path.replace("sos:products:", "")}</code>
                    </li>
                  ))}
                </ul>
              )}
            </>
          );
        }}
      </Remote>
    </Panel>
  );
}
