/** Knows every address: the pages each feature names, inside the frame. */
import type { QueryClient } from "@tanstack/react-query";
import { createBrowserRouter, type RouteObject } from "react-router";
import { accessToken, wasSignedIn } from "@/api/session";
import { NotFound } from "@/components/not-found";
import type { FeatureRoutes, First } from "@/components/routing";
import { RequireSession } from "@/features/shell/require-session";
import { RouteProblem } from "@/features/shell/route-problem";
import { Shell } from "@/features/shell/shell";

const found = import.meta.glob<{ routes: FeatureRoutes }>("./features/*/routes.ts", {
  eager: true,
});
const features = Object.values(found).map((module) => module.routes);

function guarded(children: RouteObject[]): RouteObject {
  return { errorElement: <RouteProblem />, children };
}

/** All of them, with more of the build's own inside the same frame. */
export const routes = (more: RouteObject[] = []): RouteObject[] => [
  {
    element: <Shell />,
    errorElement: <RouteProblem />,
    HydrateFallback: Nothing,
    children: [
      ...more,
      guarded(features.flatMap(({ open }) => open ?? [])),
      {
        element: <RequireSession />,
        children: [guarded(features.flatMap(({ inside }) => inside ?? []))],
      },
      { path: "*", element: <NotFound /> },
    ],
  },
];

/** Pages wait `patience` milliseconds for what they begin with; then they are drawn without. */
export function newRouter(client: QueryClient, patience = 200) {
  return createBrowserRouter(routes().map((route) => reading(route, client, patience)));
}

/** The same page, drawn with its content at once where that is there in no time. */
function reading(route: RouteObject, client: QueryClient, patience: number): RouteObject {
  const { first } = (route.handle ?? {}) as { first?: First };
  const read: Pick<RouteObject, "loader" | "shouldRevalidate"> = {
    loader: async ({ params }) => {
      const over = new Promise((resolve) => setTimeout(resolve, patience));
      await Promise.race([first && begin(first, client, params), over]);
      return null;
    },
    // Another agent is another page; other filters of the same one read for themselves.
    shouldRevalidate: () => false,
  };
  const children = route.children?.map((child) => reading(child, client, patience));
  return { ...route, ...(first ? read : {}), ...(children ? { children } : {}) } as RouteObject;
}

async function begin(first: First, ...given: Parameters<First>): Promise<void> {
  // Others are led to the door: nothing is asked for that would be refused.
  if (!wasSignedIn() || (await accessToken().catch(() => null)) === null) return;
  await first(...given);
}

function Nothing() {
  return null;
}
