/** The second step of a login with a password that must be changed: nothing else is allowed before (cockpit-services 7.2). */
import { type FormEvent, useState } from "react";
import { ApiError } from "../../api/errors";
import { changePassword } from "../../api/http";
import { type LoginAnswer } from "../../api/types";
import styles from "./login.module.css";

interface NewPasswordFormProps {
  session: LoginAnswer;
  oldPassword: string;
  onChanged: () => void;
}

export function NewPasswordForm({ session, oldPassword, onChanged }: NewPasswordFormProps) {
  const [password, setPassword] = useState("");
  const [repeated, setRepeated] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (password !== repeated) {
      setProblem("The two passwords differ.");
      return;
    }
    setBusy(true);
    setProblem(undefined);
    try {
      await changePassword(session, oldPassword, password);
      onChanged();
    } catch (error) {
      setProblem(error instanceof ApiError ? error.message : String(error));
      setBusy(false);
    }
  }

  const described = problem === undefined ? {} : { "aria-describedby": "new-password-problem" };
  return (
    <form className={styles.form} onSubmit={(event) => void submit(event)} aria-busy={busy}>
      <p role="status">Choose a password of your own, {session.account}: the one you have was given to you.</p>
      <label className={styles.field}>
        <span>New password</span>
        <input
          type="password"
          autoComplete="new-password"
          autoFocus
          required
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          {...described}
        />
      </label>
      <label className={styles.field}>
        <span>Once more</span>
        <input
          type="password"
          autoComplete="new-password"
          required
          value={repeated}
          onChange={(event) => setRepeated(event.target.value)}
          {...described}
        />
      </label>
      {problem !== undefined && (
        <p id="new-password-problem" className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className={styles.submit} disabled={busy}>
        {busy ? "Changing…" : "Change and log in"}
      </button>
    </form>
  );
}
