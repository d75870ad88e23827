/** When a session ends in the middle of something: sign in again elsewhere, and go on here. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "@/api/client";
import { refresh, useSession } from "@/api/session";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { Problem } from "@/components/problem";

export function SessionEnded() {
  const { state, user } = useSession();
  const [checked, setChecked] = useState(false);
  const email = user?.email ?? "";
  const send = useMutation({
    mutationFn: () => api.post("/auth/email", { body: { email, return_to: "/signed-in" } }),
  });
  const again = useMutation({
    mutationFn: () => refresh(),
    onSuccess: (done) => setChecked(!done),
  });
  return (
    <Dialog
      open={state === "expired"}
      onOpenChange={() => undefined}
      firm
      size="sm"
      title="Your session has ended"
      description="Sign in again in another tab. What you typed here stays, and this page goes on by itself."
      footer={
        <>
          <Button busy={again.isPending} onClick={() => again.mutate()}>
            I have signed in
          </Button>
          <Button
            variant="primary"
            onClick={() => window.open("/sign-in?return_to=/signed-in", "_blank", "noopener")}
          >
            Sign in
          </Button>
        </>
      }
    >
      <div className="space-y-3 text-sm">
        <p>
          Or{" "}
          <button
            type="button"
            className="text-sea underline underline-offset-2"
            onClick={() => send.mutate()}
            disabled={send.isPending || send.isSuccess}
          >
            send a sign-in link to {email}
          </button>
          {send.isSuccess ? " (sent: open it in this browser)" : ""}.
        </p>
        {checked ? <p className="text-port">This browser is not signed in yet.</p> : null}
        {send.error ? <Problem compact error={send.error} /> : null}
        {again.error ? <Problem compact error={again.error} /> : null}
      </div>
    </Dialog>
  );
}
