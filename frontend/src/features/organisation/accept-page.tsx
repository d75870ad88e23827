/** Where an invitation's link leads: what it is to, and accepting it as the right person. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { forgetAnswers } from "@/api/client";
import { acceptInvitation, invitationQuery } from "@/api/members";
import { useOrganisation } from "@/api/organisation";
import { asProblem } from "@/api/problem";
import { refresh, signOut, useSession, wasSignedIn } from "@/api/session";
import { Button, ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { Page, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { Until } from "@/components/time";
import { toast } from "@/components/toast";
import { ROLES } from "./roles";

/** Over the way to sign in and back, in this tab alone: the secret is in no address by then. */
const KEPT = "slipway.invitation";

function keptToken(hash: string): string {
  const given = new URLSearchParams(hash.slice(1)).get("token");
  if (given) sessionStorage.setItem(KEPT, given);
  return given ?? sessionStorage.getItem(KEPT) ?? "";
}

export function AcceptPage() {
  const { hash } = useLocation();
  const [token] = useState(() => keptToken(hash));
  const { state } = useSession();
  useEffect(() => {
    if (state === "unknown" && wasSignedIn()) refresh().catch(() => undefined);
  }, [state]);
  return (
    <Page title="Invitation" width="narrow">
      {token === "" ? (
        <div className="plate">
          <Empty title="A part of the link is missing">
            Open the whole link from the mail, once more if you have just signed in, or ask whoever
            invited you to send it again.
          </Empty>
        </div>
      ) : (
        <Offer token={token} />
      )}
    </Page>
  );
}

function Offer({ token }: { token: string }) {
  const query = useQuery({ ...invitationQuery(token), retry: false });
  const { state, user } = useSession();
  const { choose } = useOrganisation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const accept = useMutation({
    mutationFn: () => acceptInvitation(token),
    onSuccess: (joined) => {
      sessionStorage.removeItem(KEPT);
      choose(joined.id);
      client.clear();
      toast.done(`You are in ${joined.name}`, { detail: `As ${joined.role}. You work in it now.` });
      navigate("/organisation", { replace: true });
    },
  });
  if (query.error) return <Refused error={query.error} retry={() => query.refetch()} />;
  const problem = accept.error ? asProblem(accept.error) : undefined;
  return (
    <Plate>
      <QueryView query={query} loading={<SkeletonRows rows={3} height="h-10" />}>
        {(invitation) => {
          const signedIn = state === "signed-in";
          const another =
            problem?.code === "invitation_for_another" ||
            (signedIn && user !== null && !sameAddress(user.email, invitation.email));
          return (
            <>
              <p className="text-lg">
                <strong>{invitation.invited_by}</strong> invites you to{" "}
                <strong>{invitation.organisation.name}</strong>.
              </p>
              <dl className="mt-4 grid grid-cols-[auto_1fr] gap-x-5 gap-y-2 text-sm">
                <dt className="text-ink-3">As</dt>
                <dd>
                  {ROLES[invitation.role].name}: {ROLES[invitation.role].may}
                  {invitation.restricted ? ", on some agents only" : ""}
                </dd>
                <dt className="text-ink-3">For</dt>
                <dd className="min-w-0 break-words">{invitation.email}</dd>
                <dt className="text-ink-3">Ends</dt>
                <dd>
                  <Until at={invitation.expires_at} />
                </dd>
              </dl>
              <div className="mt-6 border-t border-line pt-5">
                {!signedIn ? (
                  <>
                    <p className="mb-3 text-sm text-ink-2">
                      Sign in with this address to accept; you come back here.
                    </p>
                    <ButtonLink to="/sign-in?return_to=/invitations" variant="primary">
                      <span className="truncate">Sign in as {invitation.email}</span>
                    </ButtonLink>
                  </>
                ) : another ? (
                  <Another
                    email={invitation.email}
                    own={user?.email ?? ""}
                    onLeave={async () => {
                      await signOut();
                      forgetAnswers();
                      choose(null);
                      client.clear();
                      navigate("/sign-in?return_to=/invitations");
                    }}
                  />
                ) : (
                  <>
                    {problem ? (
                      <Problem
                        compact
                        error={problem}
                        className="mb-4"
                        action={
                          problem.code === "already_member" ? (
                            <Button
                              size="sm"
                              onClick={() => {
                                choose(invitation.organisation.id);
                                navigate("/organisation", { replace: true });
                              }}
                            >
                              Go there
                            </Button>
                          ) : null
                        }
                      />
                    ) : null}
                    <div className="flex flex-wrap items-center gap-2">
                      <Button
                        variant="primary"
                        busy={accept.isPending}
                        onClick={() => accept.mutate()}
                      >
                        Accept
                      </Button>
                      <ButtonLink to="/agents" variant="quiet">
                        Not now
                      </ButtonLink>
                    </div>
                  </>
                )}
              </div>
            </>
          );
        }}
      </QueryView>
    </Plate>
  );
}

function Another({
  email,
  own,
  onLeave,
}: {
  email: string;
  own: string;
  onLeave: () => Promise<void>;
}) {
  const leave = useMutation({ mutationFn: onLeave });
  return (
    <div
      role="alert"
      className="rounded border border-lantern/50 border-l-4 border-l-lantern bg-lantern-wash p-4 text-sm"
    >
      <p className="font-[620]">This invitation is for another address</p>
      <p className="mt-0.5 break-words">
        It is for <strong>{email}</strong>, and you are signed in as <strong>{own}</strong>. Sign in
        with that address, or ask for an invitation to yours.
      </p>
      <Button size="sm" className="mt-3" busy={leave.isPending} onClick={() => leave.mutate()}>
        Sign out and use the other address
      </Button>
    </div>
  );
}

/** What a link that leads nowhere has to say. */
function Refused({ error, retry }: { error: unknown; retry: () => void }) {
  const problem = asProblem(error);
  const over = problem.code.startsWith("invitation_") || problem.code === "organisation_closing";
  if (!over) return <Problem error={problem} retry={retry} />;
  return (
    <Problem
      error={problem.under("This invitation cannot be used")}
      action={
        <ButtonLink to="/" size="sm">
          Go to the start page
        </ButtonLink>
      }
    />
  );
}

function sameAddress(one: string, other: string): boolean {
  return one.trim().toLowerCase() === other.trim().toLowerCase();
}
