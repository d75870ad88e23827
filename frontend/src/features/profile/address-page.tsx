/** Where a link to a new address leads: one press moves the account, so that no program does. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useNavigate } from "react-router";
import { accountKeys, confirmNewAddress } from "@/api/account";
import { asProblem } from "@/api/problem";
import { useSession } from "@/api/session";
import { Button, ButtonLink } from "@/components/button";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";

export function AddressPage() {
  const { hash } = useLocation();
  const navigate = useNavigate();
  const client = useQueryClient();
  // Kept here alone: once it is used, the address with it is replaced.
  const [token] = useState(() => new URLSearchParams(hash.slice(1)).get("token") ?? "");
  const confirm = useMutation({
    mutationFn: () => confirmNewAddress(token),
    onSuccess: (user) => {
      useSession.setState({ user });
      void client.invalidateQueries({ queryKey: accountKeys.me });
      toast.done(`You sign in with ${user.email} now`, {
        detail: "Every other browser was signed out.",
      });
      navigate("/profile", { replace: true });
    },
  });
  const problem = confirm.error ? asProblem(confirm.error) : undefined;
  const again = (
    <ButtonLink to="/profile" size="sm" replace>
      Ask for another link
    </ButtonLink>
  );
  return (
    <Plate title="Your new address" className="max-w-3xl">
      {token === "" ? (
        <>
          <p className="mb-4 text-sm text-ink-2">
            A part of the link is missing. Open the whole link from the mail, in the browser where
            you asked for it, or ask for another.
          </p>
          {again}
        </>
      ) : (
        <>
          {problem ? (
            <Problem
              error={problem.final ? problem.under("This link no longer works") : problem}
              action={again}
            />
          ) : (
            <p className="text-sm text-ink-2">
              After this you sign in with the address that this link was sent to, and every other
              browser is signed out. Press only if you asked for it yourself, just now.
            </p>
          )}
          {problem?.final ? null : (
            <Button
              variant="primary"
              className="mt-4"
              busy={confirm.isPending}
              onClick={() => confirm.mutate()}
            >
              Change my address
            </Button>
          )}
        </>
      )}
    </Plate>
  );
}
