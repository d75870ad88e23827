/** The roles in words. */
import type { Role } from "@/api/types";

export const ROLES: Record<Role, { name: string; may: string }> = {
  owner: { name: "Owner", may: "everything: makes admins, hands over and deletes" },
  admin: { name: "Admin", may: "agents, developers and viewers, invitations, the audit log" },
  developer: { name: "Developer", may: "makes, builds, deploys and operates agents" },
  viewer: { name: "Viewer", may: "looks at everything, changes nothing" },
};
