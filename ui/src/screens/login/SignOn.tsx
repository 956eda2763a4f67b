/** The other ways in besides a password: a button for each provider and device service; what went wrong on the way back. */
import { useEffect, useState } from "react";
import { enterWithDevice } from "../../api/devices";
import { comeBack, hasComeBack, leaveFor, type Offered, offered as askWhatIsOffered } from "../../api/signOn";
import { type LoginAnswer } from "../../api/types";
import styles from "./login.module.css";

interface SignOnProps {
  account: string;
  onLogin: (answer: LoginAnswer) => void;
  onProblem: (error: unknown) => void;
  onRegister: (service: string) => void;
}

export function SignOn({ account, onLogin, onProblem, onRegister }: SignOnProps) {
  const [offered, setOffered] = useState<Offered>({ providers: [], devices: [] });
  const [busy, setBusy] = useState(false);

  function attempt(work: Promise<LoginAnswer | void>) {
    setBusy(true);
    work
      .then((answer) => {
        if (answer !== undefined) onLogin(answer);
      }, onProblem)
      .finally(() => setBusy(false));
  }

  useEffect(() => {
    const leaving = new AbortController();
    // Without an answer there are no buttons; the password form says what is wrong when it is used.
    askWhatIsOffered(leaving.signal).then(setOffered, () => undefined);
    if (hasComeBack()) attempt(comeBack());
    return () => leaving.abort();
    // The answer of a provider is looked at once, when the page comes.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);

  const { providers, devices } = offered;
  if (providers.length + devices.length === 0) return null;
  return (
    <div className={styles.others}>
      <p className="muted">or</p>
      {providers.map(({ identityServiceName: service, iamOidcName: title }) => (
        <button key={service} type="button" className={styles.other} disabled={busy} onClick={() => attempt(leaveFor(service))}>
          Log in with {title}
        </button>
      ))}
      {devices.map(({ identityServiceName: service, secondFactor }) => (
        <div key={service} className={styles.device}>
          {!secondFactor && (
            <button
              type="button"
              className={styles.other}
              disabled={busy}
              onClick={() => attempt(enterWithDevice(service, account))}
            >
              Log in with a device ({service})
            </button>
          )}
          <button type="button" className={styles.link} onClick={() => onRegister(service)}>
            Register a device for {service}
          </button>
        </div>
      ))}
    </div>
  );
}
