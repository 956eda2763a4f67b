/** The channels of the configuration in force: how their messages fare; a test; dead letters sent again. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useChange } from "../../actions/useChange";
import { retryChannel, testChannel } from "../../api/changes";
import { channelsQuery } from "../../api/queries";
import { type ChannelRow } from "../../api/types";
import { Empty, Failure, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { say } from "../../components/toasts";
import styles from "./alerts.module.css";

export function Channels() {
  const query = useQuery(channelsQuery());
  return (
    <div className={styles.pane}>
      <Remote query={query}>
        {(channels) =>
          channels.length === 0 ? (
            <Empty title="There are no channels yet.">A channel is a MailFragment, WebhookFragment or CommandFragment of the rules.</Empty>
          ) : (
            <table className={styles.table}>
              <thead>
                <tr>
                  <th>Channel</th>
                  <th>Kind</th>
                  <th>Waiting</th>
                  <th>Sent</th>
                  <th>Given up</th>
                  <th>Last sent</th>
                  <th>Last error</th>
                  <th aria-label="Actions" />
                </tr>
              </thead>
              <tbody>
                {channels.map((channel) => (
                  <Row key={`${channel.kind} ${channel.name}`} channel={channel} />
                ))}
              </tbody>
            </table>
          )
        }
      </Remote>
    </div>
  );
}

function Row({ channel }: { channel: ChannelRow }) {
  const client = useQueryClient();
  const [failed, setFailed] = useState<string>();
  const again = () => void client.invalidateQueries({ queryKey: ["channels"] });
  const test = useChange<{ ok: boolean; error?: string }>((answer) => {
    setFailed(answer.error);
    if (answer.ok) say(`${channel.name} has taken the test message`);
    again();
  });
  const retry = useChange<unknown>(() => {
    say(`Messages of ${channel.name} are sent again`);
    again();
  });
  return (
    <>
      <tr>
        <td>{channel.name}</td>
        <td>
          {channel.kind.toLowerCase()}
          {!channel.isConfigured && <span className="muted"> (not configured any more)</span>}
        </td>
        <td>{channel.waiting}</td>
        <td>{channel.sent}</td>
        <td>{channel.dead}</td>
        <td>
          <When time={channel.lastSent} />
        </td>
        <td className={styles.message}>{channel.lastError ?? ""}</td>
        <td>
          <div className={styles.buttons}>
            <button type="button" className="button small" disabled={!channel.isConfigured || test.isPending} onClick={() => test.mutate(testChannel(channel.name))}>
              {test.isPending ? "Sending…" : "Send a test"}
            </button>
            {channel.waiting + channel.dead > 0 && (
              <button type="button" className="button small" disabled={retry.isPending} onClick={() => retry.mutate(retryChannel(channel.name))}>
                Send again
              </button>
            )}
          </div>
        </td>
      </tr>
      {(failed !== undefined || test.isError || retry.isError) && (
        <tr>
          <td colSpan={8}>
            {failed !== undefined && (
              <p className={styles.bad} role="alert">
                {failed}
              </p>
            )}
            {test.isError && <Failure error={test.error} />}
            {retry.isError && <Failure error={retry.error} />}
          </td>
        </tr>
      )}
    </>
  );
}
