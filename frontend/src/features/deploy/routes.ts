/** Addresses of bringing a source on its way. */
import { type FeatureRoutes, page } from "@/components/routing";

const choose = page(() => import("./choose-page"), "ChoosePage");

export const routes: FeatureRoutes = {
  inside: [
    { path: "deploy", ...choose },
    { path: "agents/:agentId/deploy", ...choose },
    { path: "deploy/:agentId/:versionId", ...page(() => import("./launch-page"), "LaunchPage") },
  ],
};
