/** S1 login (ui.md): account and password, other ways in, a second factor; small enough to be there at once. */
import { type FormEvent, useEffect, useRef, useState } from "react";
import { enterWithDevice } from "../../api/devices";
import { ApiError } from "../../api/errors";
import { login } from "../../api/http";
import { sessionStore } from "../../api/session";
import { type LoginAnswer } from "../../api/types";
import styles from "./login.module.css";
import { NewPasswordForm } from "./NewPassword";
import { RegisterDevice } from "./RegisterDevice";
import { SignOn } from "./SignOn";

interface LoginFormProps {
  account?: string;
  onTyping?: () => void;
  submitLabel?: string;
}

/** The form itself; also shown over the page when a session has ended. */
export function LoginForm({ account: given = "", onTyping, submitLabel = "Log in" }: LoginFormProps) {
  const [account, setAccount] = useState(given);
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [capsLock, setCapsLock] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [mustChange, setMustChange] = useState<LoginAnswer>();
  const [waitsForDevice, setWaitsForDevice] = useState(false);
  const [registering, setRegistering] = useState<string>();
  const passwordField = useRef<HTMLInputElement>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      let answer = await login(account, password);
      const second = answer.secondFactoridentityService;
      if (second !== undefined) {
        setWaitsForDevice(true);
        const service = (answer.identityService ?? "").split(":").slice(1).join(":");
        answer = await enterWithDevice(second, answer.account, { account, password, service });
      }
      enter(answer);
    } catch (error) {
      setProblem(sentence(error));
      setWaitsForDevice(false);
      setBusy(false);
      passwordField.current?.select();
    }
  }

  function enter(answer: LoginAnswer) {
    if (answer.forcePasswordChange === true) setMustChange(answer);
    else begin(answer);
  }

  if (mustChange !== undefined)
    return <NewPasswordForm session={mustChange} oldPassword={password} onChanged={() => begin(mustChange)} />;
  if (registering !== undefined) return <RegisterDevice service={registering} onBack={() => setRegistering(undefined)} />;
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)} aria-busy={busy}>
      <label className={styles.field}>
        <span>Account</span>
        <input
          name="account"
          autoComplete="username"
          autoFocus={given === ""}
          required
          value={account}
          onChange={(event) => setAccount(event.target.value)}
        />
      </label>
      <div className={styles.field}>
        <label htmlFor="password">Password</label>
        <span className={styles.password}>
          <input
            id="password"
            ref={passwordField}
            name="password"
            type={shown ? "text" : "password"}
            autoComplete="current-password"
            autoFocus={given !== ""}
            required
            value={password}
            aria-describedby={problem === undefined ? "login-hint" : "login-problem"}
            onKeyUp={(event) => setCapsLock(event.getModifierState("CapsLock"))}
            onChange={(event) => {
              onTyping?.();
              setPassword(event.target.value);
            }}
          />
          <button type="button" className={styles.show} aria-pressed={shown} onClick={() => setShown(!shown)}>
            {shown ? "Hide" : "Show"}
          </button>
        </span>
      </div>
      <p id="login-hint" className={styles.hint} role="status">
        {capsLock ? "Caps Lock is on." : ""}
      </p>
      {problem !== undefined && (
        <p id="login-problem" className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className={styles.submit} disabled={busy}>
        {waitsForDevice ? "Waiting for your device…" : busy ? "Checking…" : submitLabel}
      </button>
      <SignOn
        account={account}
        onLogin={enter}
        onProblem={(error) => setProblem(sentence(error))}
        onRegister={setRegistering}
      />
    </form>
  );
}

function begin(answer: LoginAnswer): void {
  sessionStore.begin({ account: answer.account, token: answer.accessToken, role: answer.role ?? "", ...(answer.identityService === undefined ? {} : { identityService: answer.identityService }) });
}

function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return String(error);
  if (error.code === "UNREACHABLE") return "The Cockpit does not answer. Is it running? Try again in a moment.";
  if (error.status === 401) {
    // A blocked account, a service that is not available: the server says it, and then adds what is plain to see.
    const reason = error.message.replace(/: Could not login$/, "");
    if (!reason.includes("wrong password")) return `${reason}.`;
    return "Account or password is wrong. After several wrong tries the answer takes longer.";
  }
  return error.status === 0 ? error.message : `${error.message} (${error.code})`;
}

export function Login({ onTyping }: { onTyping: () => void }) {
  useEffect(() => {
    document.title = "Log in – Stellwerk";
  }, []);
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.brand}>
          <Points />
          <div>
            <h1>Stellwerk</h1>
            <p className="muted">Workload automation · {window.location.host}</p>
          </div>
        </div>
        <LoginForm onTyping={onTyping} />
      </div>
    </main>
  );
}

/** The mark: a track and its points. */
export function Points({ size = 36 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="6" fill="#12314f" />
      <path d="M5 23h22M7 23c9 0 9-13 19-13" fill="none" stroke="#fff" strokeWidth="2.6" strokeLinecap="round" />
      <circle cx="26" cy="10" r="3" fill="#4cc79a" />
    </svg>
  );
}
