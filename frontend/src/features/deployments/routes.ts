/** A deployment, live; and the version before it deploys. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [
    {
      path: "agents/:agentId/deployments/:deploymentId",
      ...page(() => import("./deployment-page"), "DeploymentPage"),
    },
    {
      path: "agents/:agentId/versions/:versionId",
      ...page(() => import("./version-page"), "VersionPage"),
    },
  ],
};
