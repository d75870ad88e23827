/** Addresses of signing in. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  open: [
    { path: "sign-in", ...page(() => import("./sign-in-page"), "SignInPage") },
    { path: "sign-in/email", ...page(() => import("./link-page"), "LinkPage") },
    { path: "sign-in/link", ...page(() => import("./pending-page"), "PendingPage") },
    { path: "signed-in", ...page(() => import("./signed-in-page"), "SignedInPage") },
  ],
};
