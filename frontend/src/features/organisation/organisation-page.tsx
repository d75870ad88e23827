/** The chosen organisation: its parts, and what must be said first while it is being deleted. */
import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { Outlet } from "react-router";
import { meQuery } from "@/api/account";
import { organisationQuery } from "@/api/organisations";
import { useMay } from "@/api/permissions";
import type { Organisation } from "@/api/types";
import { ButtonLink } from "@/components/button";
import { Page, type Tab, Tabs } from "@/components/page";
import { Problem } from "@/components/problem";
import { SkeletonRows } from "@/components/skeleton";
import { Tag } from "@/components/status";
import { Closing } from "./closing";

export function OrganisationPage() {
  const me = useQuery(meQuery);
  const id = me.data?.organisation.id;
  const query = useQuery({ ...organisationQuery(id ?? ""), enabled: id !== undefined });
  const may = useMay();
  const organisation = query.data;
  const error = me.error ?? query.error;
  return (
    <Page
      title={organisation?.name ?? me.data?.organisation.name ?? "Organisation"}
      lead={organisation ? <Lead organisation={organisation} /> : "Who is in it, and what they do."}
      actions={
        <ButtonLink to="/organisations/new" icon={Plus} className="max-sm:hidden">
          New organisation
        </ButtonLink>
      }
      tabs={<Tabs label="Parts of the organisation" tabs={tabsFor(organisation, may)} />}
    >
      {organisation ? (
        <>
          {organisation.closes_at ? (
            <Closing organisation={organisation} closesAt={organisation.closes_at} />
          ) : null}
          <Outlet key={organisation.id} context={organisation} />
        </>
      ) : error ? (
        <Problem
          error={error}
          retry={() => {
            void me.refetch();
            if (id) void query.refetch();
          }}
        />
      ) : (
        <div className="plate">
          <SkeletonRows rows={5} height="h-16" />
        </div>
      )}
    </Page>
  );
}

function Lead({ organisation }: { organisation: Organisation }) {
  return (
    <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
      {organisation.personal ? "Your personal organisation: only you are in it." : "Your role:"}
      {organisation.personal ? null : <Tag>{organisation.role}</Tag>}
      {organisation.restricted ? "on some of its agents only" : null}
    </span>
  );
}

function tabsFor(organisation: Organisation | undefined, may: ReturnType<typeof useMay>): Tab[] {
  const tabs: Tab[] = [{ to: "/organisation", label: "Members", end: true }];
  if (!organisation?.personal && may("member:invite")) {
    tabs.push({ to: "/organisation/invitations", label: "Invitations" });
  }
  if (may("audit:read")) tabs.push({ to: "/organisation/audit", label: "Audit log" });
  tabs.push({ to: "/organisation/settings", label: "Settings" });
  return tabs;
}
