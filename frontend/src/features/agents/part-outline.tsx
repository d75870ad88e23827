/** The outline of a part of an agent's pages, while the agent itself is read. */
import {
  ColumnsOutline,
  Loading,
  Skeleton,
  SkeletonRows,
  TextOutline,
} from "@/components/skeleton";

/** Its name and what it is, told by `first.js` before the app is there, and what can be done. */
export const AGENT_HEAD = {
  heading: <bdi data-early="name">Agent</bdi>,
  lead: (
    <p className="line-clamp-2 min-h-6" data-early="description">
      <Skeleton className="my-1 h-4 w-72 max-w-full" />
    </p>
  ),
  actions: <Skeleton className="h-9 w-36" />,
};

export function PartOutline({ part }: { part: string }) {
  const what = "Reading the agent";
  if (part === "deployments" || part === "versions" || part === "variables") {
    return (
      <div className="plate">
        <div className="flex h-12 items-center border-b border-line px-4">
          <Skeleton className="h-4 w-24" />
        </div>
        <SkeletonRows rows={8} height="h-15" />
      </div>
    );
  }
  if (part === "logs") {
    return (
      <Loading what={what}>
        <div className="plate h-[calc(100dvh-15rem)] min-h-96">
          <div className="flex h-12 items-center border-b border-line px-3">
            <Skeleton className="h-7 w-64 max-w-full" />
          </div>
          <TextOutline className="p-3" />
        </div>
      </Loading>
    );
  }
  if (part === "metrics") {
    return (
      <Loading what={what}>
        <Skeleton className="mb-5 h-9 w-80 max-w-full" />
        <ChartsOutline />
      </Loading>
    );
  }
  if (part === "settings") {
    return (
      <Loading what={what}>
        <div className="plate h-[27rem] max-w-3xl space-y-4 p-5">
          <Skeleton className="h-5 w-24" />
          <Skeleton className="h-9 w-full" />
          <Skeleton className="h-24 w-full" />
        </div>
      </Loading>
    );
  }
  if (part === "") {
    return (
      <ColumnsOutline
        what={what}
        columns="lg:grid-cols-[minmax(0,1fr)_19rem]"
        main="h-60"
        side="h-80"
      />
    );
  }
  return (
    <ColumnsOutline what={what} columns="xl:grid-cols-[minmax(0,1fr)_22rem]" main="h-[34rem]" />
  );
}

/** The charts of the metrics, in their size. */
export function ChartsOutline() {
  return (
    <div className="grid gap-5 lg:grid-cols-2">
      {["a", "b", "c", "d"].map((one) => (
        <div key={one} className="plate h-[17.6rem]">
          <div className="flex h-12 items-center border-b border-line px-4">
            <Skeleton className="h-4 w-24" />
          </div>
        </div>
      ))}
    </div>
  );
}
