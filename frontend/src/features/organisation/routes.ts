/** One organisation: who is in it, what happened in it, what it is called; and joining one. */
import { type FeatureRoutes, page } from "@/components/routing";

export const routes: FeatureRoutes = {
  inside: [
    {
      path: "organisation",
      ...page(() => import("./organisation-page"), "OrganisationPage"),
      children: [
        { index: true, ...page(() => import("./members"), "Members") },
        { path: "invitations", ...page(() => import("./invitations"), "Invitations") },
        { path: "audit", ...page(() => import("./audit"), "Audit") },
        { path: "settings", ...page(() => import("./settings"), "Settings") },
      ],
    },
    { path: "organisations/new", ...page(() => import("./create-page"), "CreatePage") },
  ],
  open: [
    { path: "invitations", ...page(() => import("./accept-page"), "AcceptPage") },
    { path: "invitations/accept", ...page(() => import("./accept-page"), "AcceptPage") },
  ],
};
