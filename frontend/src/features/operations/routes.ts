/** The operators' page; whoever is none finds no page here. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [{ path: "operations", ...page(() => import("./operations-page"), "OperationsPage") }],
};
