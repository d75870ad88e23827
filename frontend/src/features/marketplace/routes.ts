/** The marketplace: finding agents, reading about one, and running a copy of one's own. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  open: [
    { path: "marketplace", ...page(() => import("./marketplace-page"), "MarketplacePage") },
    { path: "marketplace/:slug", ...page(() => import("./offer-page"), "OfferPage") },
    { path: "shared", ...page(() => import("./shared-page"), "LinkedPage") },
  ],
  inside: [
    { path: "marketplace/:slug/copy", ...page(() => import("./copy-page"), "CopyPage") },
    { path: "marketplace/shared/:offerId", ...page(() => import("./shared-page"), "SharedPage") },
    {
      path: "marketplace/shared/:offerId/copy",
      ...page(() => import("./shared-copy-page"), "SharedCopyPage"),
    },
    { path: "shared/copy", ...page(() => import("./shared-copy-page"), "LinkedCopyPage") },
  ],
};
