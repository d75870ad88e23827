/** How the platform stands: the host's budget, the reconciler, stuck work, orphans, reports, calls
 * of the code host that concern nobody, repairs. */
import { operationsQuery } from "@/api/operations";
import { usePolled } from "@/api/polling";
import { ApiProblem } from "@/api/problem";
import { NotFound } from "@/components/not-found";
import { Page } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { ColumnsOutline, Skeleton } from "@/components/skeleton";
import { Budget } from "./budget";
import { LastRun } from "./last-run";
import { Orphans } from "./orphans";
import { Receipts } from "./receipts";
import { Repairs } from "./repairs";
import { Reports } from "./reports";
import { Stuck } from "./stuck";

export function OperationsPage() {
  const query = usePolled(operationsQuery, { moving: () => false });
  if (query.error instanceof ApiProblem && query.error.status === 404) return <NotFound />;
  return (
    <Page title="Operations" lead="The platform as its operators see it, over all organisations.">
      <QueryView query={query} loading={<Outline />}>
        {(seen) => (
          <div className="space-y-5">
            <div className="grid gap-5 lg:grid-cols-2">
              <Budget budget={seen.budget} />
              <LastRun run={seen.reconciler} moving={seen.moving} serving={seen.serving} />
            </div>
            <Stuck items={seen.stuck} />
            <Orphans items={seen.orphans} />
            <Reports />
            <Receipts />
            <Repairs />
          </div>
        )}
      </QueryView>
    </Page>
  );
}

function Outline() {
  return (
    <div className="space-y-5">
      <ColumnsOutline
        what="Reading how the platform stands"
        columns="lg:grid-cols-2"
        main="h-64"
        side="h-64"
      />
      {["stuck", "orphans", "reports"].map((one) => (
        <div key={one} className="plate h-28 p-4">
          <Skeleton className="h-4 w-32" />
        </div>
      ))}
    </div>
  );
}
