import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Empty, Failure } from "../components/Panel";
import { PageTitle } from "../components/PageTitle";

export function NotFound() {
  return (
    <>
      <PageTitle title="No such page" />
      <Empty title="This address names no page of Stellwerk.">
        <Link to="/">Go to the Overview</Link>
      </Empty>
    </>
  );
}

/** A screen that broke says so in its place; the frame goes on. */
export function RouteFailure({ error, reset }: ErrorComponentProps) {
  // A lazy part that is gone means that a new version was installed meanwhile.
  const outdated = /dynamically imported module|Importing a module script failed/.test(String(error));
  return outdated ? (
    <Empty title="A new version of Stellwerk was installed.">
      <button type="button" className="button primary" onClick={() => window.location.reload()}>
        Reload
      </button>
    </Empty>
  ) : (
    <Failure error={error} retry={reset} />
  );
}
