/** The session is over: ask for the password over the page, which keeps its state and unsent text (ui.md 4.3). */
import { Modal } from "@mantine/core";
import { sessionStore } from "../api/session";
import { LoginForm } from "../screens/login/Login";

export function SessionEnded({ account }: { account: string }) {
  return (
    <Modal opened onClose={() => undefined} withCloseButton={false} closeOnEscape={false} title="Your session has ended" centered size={380}>
      <p className="muted" style={{ marginBottom: 12 }}>
        Log in to go on. The page behind stays as it is.
      </p>
      <LoginForm account={account} submitLabel="Log in and go on" />
      <button type="button" className="button quiet" style={{ marginTop: 8 }} onClick={() => sessionStore.leave()}>
        Leave this page instead
      </button>
    </Modal>
  );
}
