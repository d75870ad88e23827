/** The list of agents, and everything about one of them. */
import { agentQuery, agentsQuery } from "@/api/agents";
import { deploymentQuery, deploymentsQuery, recentDeploymentsQuery } from "@/api/deployments";
import { type FeatureRoutes, type First, page } from "@/components/routing";

const overview: First = (client, { agentId = "" }) =>
  Promise.all([
    client.prefetchInfiniteQuery(deploymentsQuery(agentId)),
    client.fetchQuery(agentQuery(agentId)).then(
      ({ environments }) =>
        Promise.all(
          (environments ?? []).map(
            ({ serving }) => serving && client.prefetchQuery(deploymentQuery(serving)),
          ),
        ),
      // The page asks again, and tells.
      () => undefined,
    ),
  ]);

export const routes: FeatureRoutes = {
  inside: [
    {
      path: "deployments",
      ...page(
        () => import("./history-page"),
        "HistoryPage",
        (client) => client.prefetchInfiniteQuery(recentDeploymentsQuery),
      ),
    },
    {
      path: "agents",
      ...page(
        () => import("./agents-page"),
        "AgentsPage",
        (client) => client.prefetchInfiniteQuery(agentsQuery),
      ),
    },
    {
      path: "agents/:agentId",
      ...page(
        () => import("./agent-page"),
        "AgentPage",
        (client, { agentId = "" }) => client.prefetchQuery(agentQuery(agentId)),
      ),
      children: [
        { index: true, ...page(() => import("./overview"), "Overview", overview) },
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
