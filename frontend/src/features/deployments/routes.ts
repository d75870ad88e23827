/** A deployment, live; and the version before it deploys. */
import { agentQuery } from "@/api/agents";
import { deploymentQuery } from "@/api/deployments";
import { versionQuery } from "@/api/versions";
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [
    {
      path: "agents/:agentId/deployments/:deploymentId",
      ...page(
        () => import("./deployment-page"),
        "DeploymentPage",
        (client, { agentId = "", deploymentId = "" }) =>
          Promise.all([
            client.prefetchQuery(agentQuery(agentId)),
            client.prefetchQuery(deploymentQuery(deploymentId)),
          ]),
      ),
    },
    {
      path: "agents/:agentId/versions/:versionId",
      ...page(
        () => import("./version-page"),
        "VersionPage",
        (client, { agentId = "", versionId = "" }) =>
          Promise.all([
            client.prefetchQuery(agentQuery(agentId)),
            client.prefetchQuery(versionQuery(agentId, versionId)),
          ]),
      ),
    },
  ],
};
