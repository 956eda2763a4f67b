/**
 * Entry: theme before the first paint, then the login form alone (React and a plain form, ui.md 7.2) or the application,
 * which is loaded while the password is typed.
 */
import { lazy, StrictMode, Suspense, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { sessionStore } from "./api/session";
import "./design/base.css";
import { startTheme } from "./design/theme";
import { Login } from "./screens/login/Login";

const loadApplication = () => import("./app/Application");
const Application = lazy(loadApplication);

function Root() {
  const state = useSyncExternalStore(sessionStore.subscribe, sessionStore.get);
  if (state.kind === "out") return <Login onTyping={() => void loadApplication().catch(() => undefined)} />;
  return (
    <Suspense fallback={<p role="status" className="visually-hidden">Loading Stellwerk</p>}>
      <Application />
    </Suspense>
  );
}

startTheme();
const element = document.getElementById("root");
if (element === null) throw new Error("index.html has no element #root");
createRoot(element).render(
  <StrictMode>
    <Root />
  </StrictMode>,
);
