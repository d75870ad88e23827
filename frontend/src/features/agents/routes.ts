/** The list of agents. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [{ path: "agents", ...page(() => import("./agents-page"), "AgentsPage") }],
};
