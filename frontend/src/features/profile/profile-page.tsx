/** The frame of the pages about oneself. */
import { Outlet } from "react-router";
import { useSession } from "@/api/session";
import { Page, Tabs } from "@/components/page";

export function ProfilePage() {
  const user = useSession(({ user }) => user);
  return (
    <Page
      title="Profile"
      lead={user?.email}
      tabs={
        <Tabs
          label="Parts of the profile"
          tabs={[
            { to: "/profile", label: "Account", end: true },
            { to: "/profile/sign-in", label: "Ways to sign in" },
            { to: "/profile/sessions", label: "Sessions" },
            { to: "/profile/tokens", label: "API tokens" },
          ]}
        />
      }
    >
      <Outlet />
    </Page>
  );
}
