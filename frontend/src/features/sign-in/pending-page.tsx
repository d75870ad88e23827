/** When a provider's account belongs to an email that has an account: proof first, then the link. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearchParams } from "react-router";
import { api } from "@/api/client";
import { useSession } from "@/api/session";
import { pendingLinksQuery, providersQuery } from "@/api/sign-in";
import { Button, ButtonLink } from "@/components/button";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { toast } from "@/components/toast";
import { EmailForm } from "./email-form";
import { Gate } from "./gate";

export function PendingPage() {
  const { state } = useSession();
  const [search] = useSearchParams();
  const providers = useQuery(providersQuery);
  const id = search.get("provider") ?? "";
  const name = providers.data?.items.find((provider) => provider.id === id)?.name ?? id;
  if (state === "signed-in") return <Offer name={name} />;
  return (
    <Gate
      title="You have an account already"
      lead={`Sign in to it by email, to show that it is yours. Then ${name} is added to it.`}
    >
      <EmailForm
        returnTo={`/sign-in/link?provider=${encodeURIComponent(id)}`}
        mailbox={providers.data?.mailbox_url ?? null}
      />
    </Gate>
  );
}

function Offer({ name }: { name: string }) {
  const pending = useQuery(pendingLinksQuery);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const confirm = useMutation({
    mutationFn: () => api.post("/me/identities/confirm", {}),
    onSuccess: () => {
      queries.invalidateQueries({ queryKey: ["me"] });
      toast.done(`${name} now signs in to your account`);
      navigate("/profile", { replace: true });
    },
  });
  return (
    <Gate title={`Add ${name} to your account?`}>
      <QueryView
        query={pending}
        isEmpty={(data) => data.items.length === 0}
        empty={
          <>
            <p className="text-sm text-ink-2">Nothing waits to be added; it may have expired.</p>
            <ButtonLink to="/profile" className="mt-4">
              Go to your profile
            </ButtonLink>
          </>
        }
      >
        {(data) => (
          <>
            <p className="text-sm">
              From then on{" "}
              <strong>{data.items[0]?.email ?? data.items[0]?.name ?? "this account there"}</strong>{" "}
              at {name} signs in as you. You can take it away again on your profile.
            </p>
            {confirm.error ? <Problem compact error={confirm.error} className="mt-4" /> : null}
            <div className="mt-5 flex gap-2">
              <Button variant="primary" busy={confirm.isPending} onClick={() => confirm.mutate()}>
                Add it
              </Button>
              <ButtonLink to="/agents">Not now</ButtonLink>
            </div>
          </>
        )}
      </QueryView>
    </Gate>
  );
}
