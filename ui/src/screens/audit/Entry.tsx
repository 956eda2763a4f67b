/** One entry: its objects, the body of the request as it was logged, the same call as a command. */
import { useQuery } from "@tanstack/react-query";
import { ShowAs } from "../../actions/ShowAs";
import { type AuditEntry, auditDetailsQuery } from "../../api/audit";
import { Remote } from "../../components/Panel";
import { bodyOf, pathOf, sentence } from "../../domain/audit";
import { dateTimeWords, fullTime } from "../../domain/words";
import styles from "./audit.module.css";

export function Entry({ entry, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const details = useQuery(auditDetailsQuery(entry.id));
  const body = bodyOf(entry);
  const time = Date.parse(entry.created);
  return (
    <section className={styles.entry} aria-label="Entry of the audit log">
      <header>
        <h2>
          <time dateTime={entry.created} title={fullTime(time)}>
            {dateTimeWords(time)}
          </time>{" "}
          {entry.account} {sentence(entry)}
        </h2>
        <button type="button" className="button small" onClick={onClose}>
          Close
        </button>
      </header>
      <div className={styles.parts}>
        <div>
          <h3>Objects</h3>
          <Remote query={details}>
            {(objects) =>
              objects.length === 0 ? (
                <p className="muted">The call names no objects.</p>
              ) : (
                <ul>
                  {objects.map((object) => (
                    <li key={`${object.type} ${object.path}`}>
                      <span className="muted">{object.type.toLowerCase()}</span> {object.path}
                    </li>
                  ))}
                </ul>
              )
            }
          </Remote>
          {entry.timeSpent !== undefined && <p className="muted">Time spent: {entry.timeSpent} min</p>}
          {body !== undefined && <ShowAs requests={[{ path: pathOf(entry), body }]} />}
        </div>
        <pre tabIndex={0} aria-label="Body of the request">
          {body === undefined ? entry.parameters : JSON.stringify(body, undefined, 2)}
        </pre>
      </div>
    </section>
  );
}
