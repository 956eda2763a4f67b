/** The other ways in besides a password: a button for each provider; says what went wrong on the way back. */
import { useEffect, useState } from "react";
import { comeBack, hasComeBack, leaveFor, type Provider, providers } from "../../api/signOn";
import { type LoginAnswer } from "../../api/types";
import styles from "./login.module.css";

interface SignOnProps {
  onLogin: (answer: LoginAnswer) => void;
  onProblem: (error: unknown) => void;
}

export function SignOn({ onLogin, onProblem }: SignOnProps) {
  const [offered, setOffered] = useState<Provider[]>([]);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    const leaving = new AbortController();
    // Without an answer there are no buttons; the password form says what is wrong when it is used.
    providers(leaving.signal).then(setOffered, () => undefined);
    if (hasComeBack()) {
      setBusy(true);
      comeBack()
        .then(onLogin, onProblem)
        .finally(() => setBusy(false));
    }
    return () => leaving.abort();
    // The answer of a provider is looked at once, when the page comes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);

  if (offered.length === 0) return null;
  return (
    <div className={styles.others}>
      <p className="muted">or</p>
      {offered.map((provider) => (
        <button
          key={provider.identityServiceName}
          type="button"
          className={styles.other}
          disabled={busy}
          onClick={() => {
            setBusy(true);
            leaveFor(provider.identityServiceName).catch((error: unknown) => {
              setBusy(false);
              onProblem(error);
            });
          }}
        >
          Log in with {provider.iamOidcName}
        </button>
      ))}
    </div>
  );
}
