/** A list that is fetched page by page: loading, failed, empty, there, and the way to more of it. */
import type { ReactNode } from "react";
import { Button } from "./button";
import { QueryView } from "./query-view";

interface Paged<T> {
  data: { pages: { items: T[] }[] } | undefined;
  error: unknown;
  refetch: () => unknown;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

export function PagedList<T>({
  query,
  loading,
  empty,
  more,
  ordered = false,
  children,
}: {
  query: Paged<T>;
  loading: ReactNode;
  empty?: ReactNode;
  /** What the button says that reads the next page. */
  more: string;
  ordered?: boolean;
  /** One entry, with its key. */
  children: (item: T) => ReactNode;
}) {
  const List = ordered ? "ol" : "ul";
  return (
    <QueryView
      query={query}
      loading={loading}
      isEmpty={({ pages }) => empty !== undefined && pages.every(({ items }) => items.length === 0)}
      empty={empty}
    >
      {({ pages }) => (
        <>
          <List className="divide-y divide-line">
            {pages.flatMap(({ items }) => items).map(children)}
          </List>
          {query.hasNextPage ? (
            <div className="flex justify-center border-t border-line p-3">
              <Button busy={query.isFetchingNextPage} onClick={() => query.fetchNextPage()}>
                {more}
              </Button>
            </div>
          ) : null}
        </>
      )}
    </QueryView>
  );
}
