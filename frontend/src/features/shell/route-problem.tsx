/** A page that failed while it was drawn or fetched: the frame stays, the rest can be tried again. */
import { isRouteErrorResponse, useRouteError } from "react-router";
import { NotFound } from "@/components/not-found";
import { Page } from "@/components/page";
import { Problem } from "@/components/problem";

export function RouteProblem() {
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFound />;
  return (
    <Page title="This page failed" width="narrow">
      <Problem error={error} retry={() => window.location.reload()} />
    </Page>
  );
}
