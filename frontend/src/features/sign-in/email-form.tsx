/** Asking for a sign-in link by email. */
import { useMutation } from "@tanstack/react-query";
import { MailOpen } from "lucide-react";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { api } from "@/api/client";
import { ApiProblem } from "@/api/problem";
import { Button } from "@/components/button";
import { TextField } from "@/components/field";
import { Problem } from "@/components/problem";

export function EmailForm({ returnTo, mailbox }: { returnTo: string; mailbox?: string | null }) {
  const [email, setEmail] = useState("");
  const send = useMutation({
    mutationFn: () => api.post("/auth/email", { body: { email, return_to: returnTo } }),
  });
  const sent = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (send.isSuccess) sent.current?.focus();
  }, [send.isSuccess]);
  if (send.isSuccess) {
    return (
      <div ref={sent} tabIndex={-1} className="outline-none">
        <p className="flex items-center gap-2 text-lg font-[620]">
          <MailOpen size={18} aria-hidden="true" /> Check your mail
        </p>
        <p className="mt-1.5 text-sm text-ink-2">
          If we can write to <strong className="break-all text-ink">{email}</strong>, a sign-in link
          is on its way. It works once, for ten minutes, in this browser.
        </p>
        <div className="mt-5 flex flex-wrap gap-2">
          {mailbox ? (
            <a
              href={mailbox}
              className="inline-flex h-8 items-center rounded bg-sea px-3 text-sm font-[560] text-on-sea hover:bg-sea-2"
            >
              Open the local mailbox
            </a>
          ) : null}
          <Button size="sm" onClick={() => send.reset()}>
            Another address
          </Button>
        </div>
      </div>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!send.isPending) send.mutate();
  };
  const fault = send.error instanceof ApiProblem ? send.error.field("email") : undefined;
  return (
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
      <Button type="submit" variant="primary" size="lg" busy={send.isPending} className="w-full">
        Send me a link
      </Button>
    </form>
  );
}
