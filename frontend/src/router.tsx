/** Knows every address: the pages each feature names, inside the frame. */
import { createBrowserRouter, type RouteObject } from "react-router";
import { NotFound } from "@/components/not-found";
import type { FeatureRoutes } from "@/components/routing";
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

export function newRouter() {
  return createBrowserRouter(routes());
}

function Nothing() {
  return null;
}
