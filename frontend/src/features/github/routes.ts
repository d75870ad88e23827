/** Where GitHub sends the browser back to. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [
    { path: "github/installed", ...page(() => import("./installed-page"), "InstalledPage") },
  ],
};
