/** The signed-in person: name, ways to sign in, sessions, API tokens. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [
    {
      path: "profile",
      ...page(() => import("./profile-page"), "ProfilePage"),
      children: [
        { index: true, ...page(() => import("./account"), "Account") },
        { path: "sign-in", ...page(() => import("./identities"), "Identities") },
        { path: "sessions", ...page(() => import("./sessions"), "Sessions") },
        { path: "email", ...page(() => import("./address-page"), "AddressPage") },
        { path: "tokens", ...page(() => import("./tokens"), "Tokens") },
      ],
    },
  ],
};
