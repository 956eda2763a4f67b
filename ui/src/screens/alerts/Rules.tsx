/** The rules as they are stored: XML, a draft and what is in force (cockpit-services 6.3). */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useChange } from "../../actions/useChange";
import { type Change, deleteNotificationDraft, releaseNotification, storeNotification } from "../../api/changes";
import { notificationQuery } from "../../api/queries";
import { type NotificationConfiguration } from "../../api/types";
import { Failure, Remote } from "../../components/Panel";
import { say } from "../../components/toasts";
import styles from "./alerts.module.css";

/** What one begins with: all failures of all workflows, to one webhook. */
const FIRST = `<?xml version="1.0" encoding="UTF-8"?>
<Configurations>
  <Fragments>
    <MessageFragments time_zone="Etc/UTC">
      <Message name="failed">\${MON_O_WORKFLOW_PATH}, order \${MON_O_ORDER_ID}: \${MON_O_ERROR_TEXT}</Message>
    </MessageFragments>
    <MonitorFragments>
      <WebhookFragment name="chat" url="https://chat.example.com/hook"><MessageRef ref="failed"/></WebhookFragment>
    </MonitorFragments>
    <ObjectFragments>
      <Workflows name="all"><Workflow path=".*"/></Workflows>
    </ObjectFragments>
  </Fragments>
  <Notifications>
    <Notification notification_id="failures" type="ERROR">
      <NotificationMonitors><WebhookFragmentRef ref="chat"/></NotificationMonitors>
      <NotificationObjects><WorkflowsRef ref="all"/></NotificationObjects>
    </Notification>
  </Notifications>
</Configurations>
`;

export function Rules() {
  const query = useQuery(notificationQuery());
  return (
    <div className={styles.pane}>
      <Remote query={query}>{(stored) => <Editor key={stored.configuration} stored={stored} />}</Remote>
    </div>
  );
}

function Editor({ stored }: { stored: NotificationConfiguration }) {
  const client = useQueryClient();
  const [text, setText] = useState(stored.configuration === "" ? FIRST : stored.configuration);
  const [done, setDone] = useState("");
  const change = useChange<unknown>(() => {
    say(done);
    void client.invalidateQueries({ queryKey: ["notification"] });
    void client.invalidateQueries({ queryKey: ["channels"] });
  });
  const send = (words: string, request: Change) => {
    setDone(words);
    change.mutate(request);
  };
  const isDraft = stored.configuration !== "" && !stored.released;
  const problem = stored.validation?.validationError;
  return (
    <div className={styles.rules}>
      <p>
        {stored.configuration === "" && "Nothing is configured: alerts are kept here, and nobody is sent anything. This is an example to begin with."}
        {stored.released && "This is in force."}
        {isDraft && `This is a draft; ${stored.hasReleases ? "what was released before is in force until it is released." : "nothing is in force yet."}`}
      </p>
      {problem !== undefined && (
        <p className={styles.bad} role="alert">
          {problem.line !== undefined && `Line ${problem.line}: `}
          {problem.message}
        </p>
      )}
      <textarea
        className={`input mono ${styles.xml}`}
        aria-label="Notification configuration"
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {change.isError && <Failure error={change.error} />}
      <footer className={styles.buttons}>
        {isDraft && (
          <button type="button" className="button" disabled={change.isPending} onClick={() => send("The draft is gone", deleteNotificationDraft())}>
            Delete the draft
          </button>
        )}
        <button type="button" className="button" disabled={change.isPending || text === stored.configuration} onClick={() => send("Kept as a draft", storeNotification(text))}>
          Save as draft
        </button>
        <button
          type="button"
          className="button primary"
          disabled={change.isPending || (stored.released && text === stored.configuration)}
          onClick={() => send("The rules are in force", releaseNotification(text))}
        >
          Release
        </button>
      </footer>
    </div>
  );
}
