/** The scopes of API tokens in words. */
import type { Scope } from "@/api/types";

export const SCOPES: Record<Scope, { name: string; may: string }> = {
  read: { name: "Read", may: "looks at agents, deployments, logs; changes nothing" },
  deploy: { name: "Deploy", may: "also makes agents, uploads versions, deploys, sets variables" },
  admin: {
    name: "Admin",
    may: "also deletes agents, manages members and tokens, reads the audit log",
  },
};
