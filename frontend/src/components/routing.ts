/** How a feature says which pages it has; `router.tsx` finds every `features/<noun>/routes.ts`. */
import type { ComponentType } from "react";
import type { RouteObject } from "react-router";

export interface FeatureRoutes {
  /** Pages for people who have signed in. */
  inside?: RouteObject[];
  /** Pages anybody may read. */
  open?: RouteObject[];
}

/** A page that arrives when somebody goes there: `page(() => import("./agents-page"), "AgentsPage")`. */
export function page<N extends string>(
  load: () => Promise<{ [K in N]: ComponentType }>,
  name: N,
): { lazy: () => Promise<{ Component: ComponentType }> } {
  return { lazy: async () => ({ Component: (await load())[name] }) };
}
