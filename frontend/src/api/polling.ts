/** Knows how often to look again: at once while something moves, ever less while nothing does. */
import {
  type Query,
  type UseQueryOptions,
  type UseQueryResult,
  useQuery,
} from "@tanstack/react-query";
import { ApiProblem } from "./problem";

const MOVING = 800;
const IDLE_FIRST = 4_000;
const IDLE_LAST = 60_000;
const BROKEN_LAST = 30_000;

interface Pace<T> {
  /** Whether what was read is still on its way somewhere. */
  moving: (data: T) => boolean;
  /** Do not look again at all once nothing moves. */
  settles?: boolean;
}

/**
 * A query that follows something as it happens. Hidden tabs rest (TanStack Query looks again when
 * they are seen), `Retry-After` is obeyed, failures back off.
 */
export function usePolled<T, K extends readonly unknown[]>(
  options: UseQueryOptions<T, Error, T, K>,
  pace: Pace<T>,
): UseQueryResult<T> {
  return useQuery({
    ...options,
    // What was read while the page was on its way is not read again at once.
    staleTime: 1000,
    refetchIntervalInBackground: false,
    refetchOnWindowFocus: true,
    refetchOnReconnect: true,
    refetchInterval: (query) => intervalOf(query as Query<T, Error, T, K>, pace),
  });
}

// How often each query has brought the very same data: a 304 gives the same object again.
const rest = new WeakMap<object, { data: unknown; at: number; times: number }>();

export function intervalOf<T, K extends readonly unknown[]>(
  query: Query<T, Error, T, K>,
  pace: Pace<T>,
): number | false {
  const { data, error, dataUpdatedAt, fetchFailureCount, errorUpdateCount } = query.state;
  if (error) {
    if (error instanceof ApiProblem && !error.passing) return false;
    const asked = error instanceof ApiProblem ? error.retryAfter : undefined;
    const tries = Math.min(6, fetchFailureCount + errorUpdateCount);
    return asked ?? Math.min(BROKEN_LAST, 1000 * 2 ** tries);
  }
  if (data === undefined) return MOVING;
  if (pace.moving(data)) {
    rest.delete(query);
    return MOVING;
  }
  if (pace.settles) return false;
  const before = rest.get(query);
  const same = before?.data === data;
  const times = !same ? 0 : before.at === dataUpdatedAt ? before.times : before.times + 1;
  rest.set(query, { data, at: dataUpdatedAt, times });
  return Math.min(IDLE_LAST, IDLE_FIRST * 1.5 ** times);
}
