/** The list of agents, and everything about one of them. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [
    { path: "deployments", ...page(() => import("./history-page"), "HistoryPage") },
    { path: "agents", ...page(() => import("./agents-page"), "AgentsPage") },
    {
      path: "agents/:agentId",
      ...page(() => import("./agent-page"), "AgentPage"),
      children: [
        { index: true, ...page(() => import("./overview"), "Overview") },
        { path: "deployments", ...page(() => import("./deployments"), "Deployments") },
        { path: "versions", ...page(() => import("./versions"), "Versions") },
        { path: "logs", ...page(() => import("./logs"), "Logs") },
        { path: "metrics", ...page(() => import("./metrics"), "Metrics") },
        { path: "variables", ...page(() => import("./variables"), "Variables") },
        { path: "repository", ...page(() => import("./repository"), "Repository") },
        { path: "listing", ...page(() => import("./listing"), "Listing") },
        { path: "settings", ...page(() => import("./settings"), "Settings") },
      ],
    },
  ],
};
