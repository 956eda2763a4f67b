/** Somebody asks to be let in with a device: name it, touch it, and tell the administrator the fingerprint. */
import { type FormEvent, useState } from "react";
import { registerDevice } from "../../api/devices";
import { ApiError } from "../../api/errors";
import styles from "./login.module.css";

export function RegisterDevice({ service, onBack }: { service: string; onBack: () => void }) {
  const [account, setAccount] = useState("");
  const [email, setEmail] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [fingerprint, setFingerprint] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      setFingerprint(await registerDevice(service, account, email));
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : String(error));
    }
    setBusy(false);
  }

  if (fingerprint !== undefined)
    return (
      <div className={styles.form}>
        <p role="status">
          The device waits for approval. Tell your administrator its fingerprint: <code>{fingerprint}</code>
        </p>
        <button type="button" className={styles.other} onClick={onBack}>
          Back to the login
        </button>
      </div>
    );
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)} aria-busy={busy}>
      <p>Register a device for {service}. You can log in with it when an administrator has approved it.</p>
      <label className={styles.field}>
        <span>Account</span>
        <input autoComplete="username" autoFocus required value={account} onChange={(event) => setAccount(event.target.value)} />
      </label>
      <label className={styles.field}>
        <span>E-mail (optional)</span>
        <input type="email" autoComplete="email" value={email} onChange={(event) => setEmail(event.target.value)} />
      </label>
      {problem !== undefined && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className={styles.submit} disabled={busy}>
        {busy ? "Waiting for the device…" : "Register"}
      </button>
      <button type="button" className={styles.other} onClick={onBack}>
        Back to the login
      </button>
    </form>
  );
}
