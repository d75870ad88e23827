/** The marketplace: finding agents, reading about one, and running a copy of one's own. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  open: [
    { path: "marketplace", ...page(() => import("./marketplace-page"), "MarketplacePage") },
    { path: "marketplace/:slug", ...page(() => import("./offer-page"), "OfferPage") },
  ],
  inside: [{ path: "marketplace/:slug/copy", ...page(() => import("./copy-page"), "CopyPage") }],
};
