/** Picks among the states of what is fetched: loading, failed, empty, there. */
import type { ReactNode } from "react";
import { Problem } from "./problem";
import { SkeletonRows } from "./skeleton";

interface Fetched<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/**
 * What was read last stays in sight when reading it again fails; the failure is shown above it.
 */
export function QueryView<T>({
  query,
  loading,
  isEmpty,
  empty,
  children,
}: {
  query: Fetched<T>;
  loading?: ReactNode;
  isEmpty?: (data: T) => boolean;
  empty?: ReactNode;
  children: (data: T) => ReactNode;
}) {
  if (query.data === undefined) {
    if (query.error) return <Problem error={query.error} retry={() => query.refetch()} />;
    return loading ?? <SkeletonRows />;
  }
  const body = isEmpty?.(query.data) ? empty : children(query.data);
  if (!query.error) return body;
  return (
    <>
      <Problem compact error={query.error} retry={() => query.refetch()} className="mb-4" />
      {body}
    </>
  );
}
