/** Reads and changes the parameters in the page's address. */
import { useCallback, useContext } from "react";
import {
  type NavigateOptions,
  UNSAFE_DataRouterContext as RouterContext,
  useNavigate,
  useSearchParams,
} from "react-router";

/** Changes some parameters, or names all of them anew. */
export type ChangeSearch = (
  next: ((now: URLSearchParams) => URLSearchParams) | Record<string, string>,
  options?: NavigateOptions,
) => void;

/**
 * A change begins from what the address says by now, not from what was last drawn, as the router's
 * own hook does: of two changes before a busy page is drawn again, the first would be lost.
 */
export function useSearch(): [URLSearchParams, ChangeSearch] {
  const [search] = useSearchParams();
  const router = useContext(RouterContext)?.router;
  const navigate = useNavigate();
  const change = useCallback<ChangeSearch>(
    (next, options) => {
      const now = new URLSearchParams(router?.state.location.search);
      const wanted = typeof next === "function" ? next(now) : new URLSearchParams(next);
      void navigate(`?${wanted}`, options);
    },
    [router, navigate],
  );
  return [search, change];
}
