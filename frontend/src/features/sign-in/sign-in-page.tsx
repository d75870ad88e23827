/** Signing in: a link by email, or an account elsewhere. */
import { useMutation } from "@tanstack/react-query";
import { MailOpen } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { Navigate, useLocation, useSearchParams } from "react-router";
import { api } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { useSession } from "@/api/session";
import { Button } from "@/components/button";
import { TextField } from "@/components/field";
import { Problem } from "@/components/problem";
import { Gate } from "./gate";
import { LinkPage } from "./link-page";
import { returnTo } from "./return-to";

export function SignInPage() {
  const { state } = useSession();
  const [search] = useSearchParams();
  const { hash } = useLocation();
  const [email, setEmail] = useState("");
  const send = useMutation({ mutationFn: () => api.post("/auth/email", { body: { email } }) });
  useEffect(() => {
    if (!send.isSuccess) return;
    document.querySelector<HTMLElement>("[data-sent]")?.focus();
  }, [send.isSuccess]);
  if (hash.includes("token=")) return <LinkPage />;
  if (state === "signed-in") return <Navigate to={returnTo(search)} replace />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!send.isPending) send.mutate();
  };
  const fault = send.error instanceof ApiProblem ? send.error.field("email") : undefined;
  return (
    <Gate title="Sign in">
      {send.isSuccess ? (
        <div data-sent tabIndex={-1} className="outline-none">
          <p className="flex items-center gap-2 font-[600]">
            <MailOpen size={18} aria-hidden="true" /> Look into your mail
          </p>
          <p className="mt-1 text-sm text-ink-2">
            If we can write to <strong className="text-ink">{email}</strong>, a sign-in link is on
            its way. It works once, for ten minutes, in this browser.
          </p>
          <div className="mt-4 flex gap-2">
            <Button size="sm" onClick={() => send.reset()}>
              Another address
            </Button>
          </div>
        </div>
      ) : (
        <form onSubmit={submit} className="space-y-4">
          <TextField
            label="Email"
            type="email"
            name="email"
            autoComplete="email"
            required
            maxLength={254}
            placeholder="you@example.org"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            error={fault}
            hint="We send a link that signs you in. No password."
          />
          {send.error && !fault ? <Problem compact error={send.error} /> : null}
          <Button
            type="submit"
            variant="primary"
            size="lg"
            busy={send.isPending}
            className="w-full"
          >
            Send me a link
          </Button>
        </form>
      )}
    </Gate>
  );
}
