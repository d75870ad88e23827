/** Knows the organisations to choose from, and what follows from choosing another. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { meQuery } from "@/api/account";
import { useOrganisation } from "@/api/organisation";
import { organisationsQuery } from "@/api/organisations";
import { useSession } from "@/api/session";
import type { Organisation } from "@/api/types";
import { toast } from "@/components/toast";

/** Pages that are about one thing of one organisation: no use in another one. */
const OF_ONE = /^\/(agents|deploy)\//;

export function useOrganisations() {
  const signedIn = useSession(({ state }) => state === "signed-in");
  const { data } = useQuery({ ...organisationsQuery, enabled: signedIn });
  const { data: me } = useQuery({ ...meQuery, enabled: signedIn });
  const { choose } = useOrganisation();
  const navigate = useNavigate();
  const items = [...(data?.items ?? [])].sort(
    (a, b) => Number(b.personal) - Number(a.personal) || a.name.localeCompare(b.name),
  );
  return {
    items,
    currentId: me?.organisation.id,
    currentName: me?.organisation.name,
    operator: me?.operator ?? false,
    switchTo: (organisation: Organisation) => {
      if (organisation.id === me?.organisation.id) return;
      choose(organisation.personal ? null : organisation.id);
      if (OF_ONE.test(window.location.pathname)) navigate("/agents");
    },
  };
}

/** Reads everything anew for another organisation, and says so when one was lost. */
export function useFreshOnSwitch(): void {
  const { id, lost } = useOrganisation();
  const queries = useQueryClient();
  const before = useRef(id);
  useEffect(() => {
    if (id === before.current) return;
    before.current = id;
    if (lost) toast.note("You are not in that organisation any more. This is your own one.");
    void queries.resetQueries();
  }, [id, lost, queries]);
}
