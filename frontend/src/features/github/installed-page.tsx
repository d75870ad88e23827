/** Back from GitHub: proves that whoever came may use the installation, and goes on. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { completeInstallation, repositoryKeys } from "@/api/repositories";
import { ButtonLink } from "@/components/button";
import { Page, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { Loading, Skeleton } from "@/components/skeleton";
import { toast } from "@/components/toast";

export function InstalledPage() {
  const [search] = useSearchParams();
  const client = useQueryClient();
  const navigate = useNavigate();
  const begun = useRef(false);
  const code = search.get("code") ?? "";
  const state = search.get("state") ?? "";
  const installation = Number(search.get("installation_id"));
  const whole =
    code !== "" && state !== "" && Number.isSafeInteger(installation) && installation > 0;
  const { mutate, error } = useMutation({
    mutationFn: () => completeInstallation({ code, state, installation_id: installation }),
    onSuccess: async (made) => {
      toast.done(`The app is installed at ${made.account}`);
      await client.invalidateQueries({ queryKey: repositoryKeys.github });
      navigate(whereFrom(), { replace: true });
    },
  });
  useEffect(() => {
    // A code counts once: it is never sent twice.
    if (!whole || begun.current) return;
    begun.current = true;
    mutate();
  }, [whole, mutate]);
  return (
    <Page title="Back from GitHub" width="narrow">
      <Plate>
        {!whole ? (
          <Problem
            error={{
              title: "Something is missing in this address",
              detail:
                "GitHub did not say which installation it is about: it may wait for the approval of an owner there. Begin again from an agent's Repository page.",
            }}
            action={<ButtonLink to="/agents">All agents</ButtonLink>}
          />
        ) : error ? (
          <Problem
            error={error}
            action={
              <ButtonLink to={whereFrom()} size="sm">
                Begin again
              </ButtonLink>
            }
          />
        ) : (
          <Loading what="Asking GitHub whether you may use it">
            <p className="text-sm text-ink-2">Asking GitHub whether you may use it.</p>
            <Skeleton className="mt-4 h-4 w-48" />
          </Loading>
        )}
      </Plate>
    </Page>
  );
}

/** The page that sent the browser there. */
function whereFrom(): string {
  const kept = sessionStorage.getItem("slipway.installing") ?? "";
  return /^\/agents\/\w+\/repository$/.test(kept) ? kept : "/agents";
}
