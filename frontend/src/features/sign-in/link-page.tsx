/** Where a sign-in link leads: one press redeems it, so that programs that follow links do not. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { api } from "@/api/client";
import { asProblem } from "@/api/problem";
import { begin } from "@/api/session";
import { Button, ButtonLink } from "@/components/button";
import { Problem } from "@/components/problem";
import { Gate } from "./gate";
import { ownPage } from "./return-to";

export function LinkPage() {
  const { hash } = useLocation();
  const navigate = useNavigate();
  // Kept here and taken out of the address: histories and screenshots are no place for it.
  const [token] = useState(() => new URLSearchParams(hash.slice(1)).get("token") ?? "");
  const redeem = useMutation({
    mutationFn: () => api.post("/auth/email/redeem", { body: { token } }),
    onSuccess: (session) => {
      begin(session);
      navigate(ownPage(session.return_to), { replace: true });
    },
  });
  if (token === "") {
    return (
      <Gate title="This link is incomplete">
        <p className="text-sm text-ink-2">
          A part of it is missing: open the whole link from the mail, or ask for another.
        </p>
        <ButtonLink to="/sign-in" variant="primary" className="mt-4">
          Ask for another link
        </ButtonLink>
      </Gate>
    );
  }
  const problem = redeem.error ? asProblem(redeem.error) : undefined;
  return (
    <Gate title="Sign in on this browser">
      {problem ? (
        <Problem
          error={problem.final ? problem.under("This link no longer works") : problem}
          action={
            <ButtonLink to="/sign-in" size="sm" replace>
              Ask for another link
            </ButtonLink>
          }
        />
      ) : (
        <p className="text-sm text-ink-2">
          The link works once. Press only if you asked for it yourself, just now.
        </p>
      )}
      {problem?.final ? null : (
        <Button
          variant="primary"
          size="lg"
          className="mt-4 w-full"
          busy={redeem.isPending}
          onClick={() => redeem.mutate()}
        >
          Sign in
        </Button>
      )}
    </Gate>
  );
}
