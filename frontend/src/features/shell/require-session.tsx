/** Lets through who has signed in, and sends everybody else to do so and come back. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Navigate, Outlet, useLocation } from "react-router";
import { forgetAnswers } from "@/api/client";
import { useOrganisation } from "@/api/organisation";
import { refresh, useSession, wasSignedIn } from "@/api/session";
import { Problem } from "@/components/problem";
import { SkeletonRows } from "@/components/skeleton";

export function RequireSession() {
  const { state, user } = useSession();
  const { pathname, search } = useLocation();
  const [error, setError] = useState<unknown>();
  const [tries, setTries] = useState(0);
  useOnePerson(user?.id);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another try is another run
  useEffect(() => {
    if (state !== "unknown") return;
    setError(undefined);
    refresh().catch(setError);
  }, [state, tries]);
  if (state === "anonymous") {
    const back = encodeURIComponent(pathname + search);
    return <Navigate to={`/sign-in?return_to=${back}`} replace />;
  }
  // Whoever was signed in when last here most likely is: the page's outline need not wait for it,
  // and its calls wait for the fresh token by themselves.
  if (state !== "unknown" || (!error && wasSignedIn())) return <Outlet />;
  return (
    <div className="mx-auto max-w-6xl px-4 py-10 sm:px-6">
      {error ? <Problem error={error} retry={() => setTries(tries + 1)} /> : <SkeletonRows />}
    </div>
  );
}

/** Another person in the same browser sees nothing of the one before. */
function useOnePerson(id: string | undefined): void {
  const queries = useQueryClient();
  const before = useRef(id);
  useEffect(() => {
    if (id === undefined || id === before.current) return;
    if (before.current !== undefined) {
      useOrganisation.getState().choose(null);
      forgetAnswers();
      queries.clear();
    }
    before.current = id;
  }, [id, queries]);
}
