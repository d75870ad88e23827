/** The outline of what is on its way, in the size it will have. */
import { clsx } from "clsx";
import type { ReactNode } from "react";

export function Skeleton({ className }: { className?: string }) {
  return (
    <span
      aria-hidden="true"
      className={clsx("block animate-sweep rounded-sm bg-line", className)}
    />
  );
}

/** Wraps outlines, and says once for screen readers that something loads. */
export function Loading({ children, what = "Loading" }: { children: ReactNode; what?: string }) {
  return (
    <div aria-busy="true">
      <span className="sr-only" role="status">
        {what}
      </span>
      {children}
    </div>
  );
}

export function SkeletonRows({ rows = 6, height = "h-14" }: { rows?: number; height?: string }) {
  return (
    <Loading>
      <div className="divide-y divide-line">
        {Array.from({ length: rows }, (_, row) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: outlines have no identity
          <div key={row} className={clsx("flex items-center gap-4 px-4", height)}>
            <Skeleton className="size-3 rounded-full" />
            <Skeleton
              className={clsx("h-3.5", row % 3 === 0 ? "w-48" : row % 3 === 1 ? "w-32" : "w-40")}
            />
            <Skeleton className="ml-auto h-3 w-20" />
          </div>
        ))}
      </div>
    </Loading>
  );
}

/** Lines of a log, each with its time. */
export function TextOutline({ className }: { className?: string }) {
  return (
    <div className={clsx("space-y-[9px]", className)}>
      {[62, 38, 80, 54, 70, 45, 66, 30].map((width) => (
        <div key={width} className="flex gap-4">
          <Skeleton className="h-[13px] w-20 shrink-0" />
          <span className="flex-1" style={{ maxWidth: `${width}%` }}>
            <Skeleton className="h-[13px]" />
          </span>
        </div>
      ))}
    </div>
  );
}

/** A page in two columns: what it is about, and what is known of it beside. */
export function ColumnsOutline({
  what,
  columns = "lg:grid-cols-[minmax(0,1fr)_22rem]",
  main = "h-96",
  side = "h-80",
}: {
  what: string;
  columns?: string;
  main?: string;
  side?: string;
}) {
  return (
    <Loading what={what}>
      <div className={clsx("grid gap-5", columns)}>
        <div className={clsx("plate space-y-4 p-5", main)}>
          <Skeleton className="h-5 w-40" />
          <Skeleton className="h-3.5 w-full" />
          <Skeleton className="h-3.5 w-3/4" />
        </div>
        <div className={clsx("plate space-y-4 p-5", side)}>
          <Skeleton className="h-5 w-24" />
          <Skeleton className="h-3.5 w-3/4" />
          <Skeleton className="h-3.5 w-1/2" />
        </div>
      </div>
    </Loading>
  );
}
