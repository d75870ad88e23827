/** The outline of a run while it is read. */
import { Loading, Skeleton, TextOutline } from "@/components/skeleton";
import { StationsOutline } from "@/components/stations";

export function RunSkeleton() {
  return (
    <Loading what="Reading the deployment">
      <div className="space-y-5">
        <div className="plate px-3 pt-4 pb-3 sm:px-5">
          <StationsOutline />
        </div>
        <div className="grid grid-cols-[minmax(0,1fr)] gap-5 lg:grid-cols-[minmax(0,1fr)_19rem]">
          <div className="plate h-[26rem]">
            <div className="flex h-12 items-center gap-2 border-b border-line px-3">
              <Skeleton className="h-3.5 w-14" />
              <Skeleton className="h-7 w-72 max-w-full" />
            </div>
            <TextOutline className="p-3" />
          </div>
          <div className="plate h-56 p-4">
            <FactsOutline />
          </div>
        </div>
      </div>
    </Loading>
  );
}

/** What stands beneath the heading of a run, and what can be done with it. */
export const RUN_HEAD = {
  lead: (
    <span className="flex h-[1.75rem] items-center">
      <Skeleton className="h-4 w-64 max-w-full" />
    </span>
  ),
  actions: <Skeleton className="h-9 w-28" />,
};

function FactsOutline() {
  return (
    <div className="space-y-3">
      {["w-20", "w-28", "w-24", "w-16", "w-32", "w-24"].map((width, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: outlines have no identity
        <div key={row} className="grid grid-cols-[6.5rem_1fr] gap-5">
          <Skeleton className="h-3.5 w-16" />
          <Skeleton className={`h-3.5 ${width}`} />
        </div>
      ))}
    </div>
  );
}
