/** The ways to sign in: the email, and accounts at providers. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Mail } from "lucide-react";
import { useState } from "react";
import { accountKeys, identitiesQuery, unlinkIdentity } from "@/api/account";
import { useSession } from "@/api/session";
import { linking, pendingLinksQuery, providersQuery } from "@/api/sign-in";
import type { Identity } from "@/api/types";
import { Button, ButtonLink, buttonClass } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { Plate } from "@/components/page";
import { ProviderSign } from "@/components/provider-sign";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

export function Identities() {
  const email = useSession(({ user }) => user?.email ?? "");
  const query = useQuery(identitiesQuery);
  const pending = useQuery(pendingLinksQuery);
  const providers = useQuery(providersQuery);
  const [asking, setAsking] = useState<Identity>();
  const nameOf = (id: string) => providers.data?.items.find((one) => one.id === id)?.name ?? id;
  const kindOf = (id: string) => providers.data?.items.find((one) => one.id === id)?.kind ?? id;
  const waits = pending.data?.items[0];
  return (
    <div className="max-w-3xl space-y-5">
      {waits ? (
        <section
          aria-label="A way to sign in waits"
          className="flex flex-wrap items-center justify-between gap-4 rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-4 text-sm"
        >
          <p className="min-w-0 flex-1 basis-60">
            <strong>{waits.email ?? waits.name}</strong> at {nameOf(waits.provider)} waits to be
            added to your account.
          </p>
          <ButtonLink to={`/sign-in/link?provider=${encodeURIComponent(waits.provider)}`} size="sm">
            Look at it
          </ButtonLink>
        </section>
      ) : null}
      <Plate flush title="Ways to sign in">
        <ul className="divide-y divide-line">
          <li className="flex min-h-16 items-center gap-3 px-4 py-2.5">
            <Mail size={18} aria-hidden="true" className="shrink-0 text-ink-2" />
            <div className="min-w-0 flex-1">
              <p className="font-[560]">A link by email</p>
              <p className="truncate text-sm text-ink-3">{email}</p>
            </div>
            <span className="text-sm text-ink-3">always</span>
          </li>
        </ul>
        <div className="border-t border-line [&>[role=alert]]:m-4">
          <QueryView
            query={query}
            loading={<SkeletonRows rows={1} height="h-16" />}
            isEmpty={(data) => data.items.length === 0}
            empty={
              <p className="px-4 py-4 text-sm text-ink-2">
                No account elsewhere signs in to this one.
              </p>
            }
          >
            {(data) => (
              <ul className="divide-y divide-line">
                {data.items.map((one) => (
                  <li key={one.id} className="flex min-h-16 items-center gap-3 px-4 py-2.5">
                    <span className="flex w-[18px] shrink-0 justify-center text-ink-2">
                      <ProviderSign kind={kindOf(one.provider)} />
                    </span>
                    <div className="min-w-0 flex-1">
                      <p className="font-[560]">{nameOf(one.provider)}</p>
                      <p className="truncate text-sm text-ink-3">
                        {one.email ?? one.name}, added <Ago at={one.created_at} />
                      </p>
                    </div>
                    <Button
                      size="sm"
                      variant="quiet"
                      aria-label={`Take ${nameOf(one.provider)} away`}
                      onClick={() => setAsking(one)}
                    >
                      Take away
                    </Button>
                  </li>
                ))}
              </ul>
            )}
          </QueryView>
        </div>
      </Plate>
      {providers.data && providers.data.items.length > 0 ? (
        <Plate title="Add another">
          <div className="flex flex-wrap gap-2">
            {providers.data.items.map((provider) => (
              <a key={provider.id} href={linking(provider.id)} className={buttonClass({})}>
                <ProviderSign kind={provider.kind} />
                Add {provider.name}
              </a>
            ))}
          </div>
          <p className="mt-3 text-sm text-ink-3">
            You sign in there once; from then on that account signs in as you.
          </p>
        </Plate>
      ) : null}
      {asking ? (
        <TakeAway
          identity={asking}
          name={nameOf(asking.provider)}
          onClose={() => setAsking(undefined)}
        />
      ) : null}
    </div>
  );
}

function TakeAway({
  identity,
  name,
  onClose,
}: {
  identity: Identity;
  name: string;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const unlink = useMutation({
    mutationFn: () => unlinkIdentity(identity.id),
    onSuccess: () => toast.done(`${name} does not sign in to your account any more`),
    onError: (error) => toast.failed(error),
    onSettled: () => {
      onClose();
      return client.invalidateQueries({ queryKey: accountKeys.identities });
    },
  });
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={`Take ${name} away?`}
      action="Take it away"
      busy={unlink.isPending}
      onConfirm={() => unlink.mutate()}
    >
      <p>
        {identity.email ?? identity.name} at {name} does not sign in as you any more. A link by
        email still does.
      </p>
    </ConfirmDialog>
  );
}
