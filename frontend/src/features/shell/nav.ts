/** The pages the navigation names. */
export const NAV = [
  { to: "/agents", label: "Agents", inside: true },
  { to: "/deployments", label: "Deployments", inside: true },
  { to: "/marketplace", label: "Marketplace", inside: false },
  { to: "/organisation", label: "Organisation", inside: true },
];
