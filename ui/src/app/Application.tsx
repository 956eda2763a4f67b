/** Everything behind the login: providers, the live connection for as long as the session lasts, the router. */
import { createTheme, MantineProvider, Modal } from "@mantine/core";
import "@mantine/core/styles/default-css-variables.css";
import "@mantine/core/styles/ScrollArea.css";
import "@mantine/core/styles/UnstyledButton.css";
import "@mantine/core/styles/CloseButton.css";
import "@mantine/core/styles/Overlay.css";
import "@mantine/core/styles/Paper.css";
import "@mantine/core/styles/Popover.css";
import "@mantine/core/styles/Menu.css";
import "@mantine/core/styles/ModalBase.css";
import "@mantine/core/styles/Modal.css";
import "@mantine/core/styles/Tooltip.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useEffect, useState, useSyncExternalStore } from "react";
import { ApiError } from "../api/errors";
import { sessionStore } from "../api/session";
import "../design/controls.css";
import "../design/mantine.css";
import "../design/states.css";
import { currentTheme, subscribeTheme } from "../design/theme";
import { liveConnection } from "../live/react";
import { router } from "./router";
import { SessionEnded } from "./SessionEnded";

/** Nothing may add a style element, so that the content security policy can be `style-src 'self'`. */
const theme = createTheme({
  fontFamily: "var(--sw-font)",
  defaultRadius: 4,
  components: { Modal: Modal.extend({ defaultProps: { lockScroll: false, closeButtonProps: { "aria-label": "Close" }, transitionProps: { duration: 120 } } }) },
});

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Asking again helps only where nobody answered; a refusal stays a refusal.
        retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
        refetchOnWindowFocus: true,
      },
    },
  });
}

export default function Application() {
  const [client] = useState(newQueryClient);
  const scheme = useSyncExternalStore(subscribeTheme, currentTheme);
  const session = useSyncExternalStore(sessionStore.subscribe, sessionStore.get);
  const loggedIn = session.kind === "in";

  useEffect(() => {
    if (!loggedIn) return;
    liveConnection.start();
    // What failed for want of a session is asked for again with the new one.
    void client.refetchQueries({ predicate: (query) => query.state.status === "error" });
    return () => liveConnection.stop();
  }, [loggedIn, client]);

  return (
    <MantineProvider theme={theme} forceColorScheme={scheme} withCssVariables={false} withGlobalClasses={false}>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
        {session.kind === "ended" && <SessionEnded account={session.account} />}
      </QueryClientProvider>
    </MantineProvider>
  );
}
