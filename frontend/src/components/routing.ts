/** How a feature says which pages it has; `router.tsx` finds every `features/<noun>/routes.ts`. */
import type { QueryClient } from "@tanstack/react-query";
import type { ComponentType } from "react";
import type { Params, RouteObject } from "react-router";

export interface FeatureRoutes {
  /** Pages for people who have signed in. */
  inside?: RouteObject[];
  /** Pages anybody may read. */
  open?: RouteObject[];
}

/** Reads what a page begins with into the memory of its queries. */
export type First = (client: QueryClient, params: Params<string>) => Promise<unknown>;

/**
 * A page that arrives when somebody goes there: `page(() => import("./agents-page"), "AgentsPage")`.
 * What it reads `first` is asked for meanwhile, for people who have signed in.
 */
export function page<N extends string>(
  load: () => Promise<{ [K in N]: ComponentType }>,
  name: N,
  first?: First,
): { lazy: () => Promise<{ Component: ComponentType }>; handle: { first: First | undefined } } {
  return { lazy: async () => ({ Component: (await load())[name] }), handle: { first } };
}
