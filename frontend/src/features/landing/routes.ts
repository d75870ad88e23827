/** The first page. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  open: [{ index: true, ...page(() => import("./landing-page"), "LandingPage") }],
};
