/** The outline of a run while it is read. */
import { Loading, Skeleton } from "@/components/skeleton";

export function RunSkeleton() {
  return (
    <Loading what="Reading the deployment">
      <div className="space-y-5">
        <div className="plate h-[29rem] sm:h-[11.5rem]">
          <div className="flex h-full flex-col justify-evenly px-5 sm:flex-row sm:items-center sm:justify-between">
            {["a", "b", "c", "d", "e", "f", "g"].map((one) => (
              <Skeleton key={one} className="h-4 w-16" />
            ))}
          </div>
        </div>
        <div className="grid gap-5 lg:grid-cols-[minmax(0,1fr)_19rem]">
          <div className="plate h-[26rem]" />
          <div className="plate h-56" />
        </div>
      </div>
    </Loading>
  );
}
