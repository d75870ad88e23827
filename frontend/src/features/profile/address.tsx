/** The address one signs in with, and asking for another. */
import { useMutation } from "@tanstack/react-query";
import { MailOpen } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { askNewAddress } from "@/api/account";
import { asProblem } from "@/api/problem";
import { Button } from "@/components/button";
import { TextField } from "@/components/field";
import { Plate } from "@/components/page";
import { Problem } from "@/components/problem";

export function Address({ present }: { present: string }) {
  const [typed, setTyped] = useState("");
  const ask = useMutation({ mutationFn: () => askNewAddress(typed.trim()) });
  const sent = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (ask.isSuccess) sent.current?.focus();
  }, [ask.isSuccess]);
  const problem = ask.error ? asProblem(ask.error) : undefined;
  const wrong = problem?.field("email");
  return (
    <Plate title="Email">
      <p className="text-sm text-ink-2">
        You sign in with <strong className="break-all text-ink">{present}</strong>.
      </p>
      {ask.isSuccess ? (
        <div ref={sent} tabIndex={-1} className="mt-4 outline-none">
          <p className="flex items-center gap-2 font-[620]">
            <MailOpen size={18} aria-hidden="true" /> Look into the mail of the new address
          </p>
          <p className="mt-1.5 text-sm text-ink-2">
            If we can write to <strong className="break-all text-ink">{typed.trim()}</strong>, a
            link is on its way. Open it in this browser within ten minutes; until then nothing
            changes.
          </p>
          <Button
            size="sm"
            className="mt-4"
            onClick={() => {
              setTyped("");
              ask.reset();
            }}
          >
            Another address
          </Button>
        </div>
      ) : (
        <form
          noValidate
          className="mt-4 space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            if (typed.trim() !== "" && !ask.isPending) ask.mutate();
          }}
        >
          <TextField
            label="New address"
            type="email"
            autoComplete="email"
            maxLength={254}
            placeholder="you@example.org"
            value={typed}
            hint="We send a link there. Invitations and what was shared with you stay with the present address."
            error={wrong}
            onChange={(event) => setTyped(event.target.value)}
          />
          {problem && !wrong ? <Problem compact error={problem} /> : null}
          <div className="flex justify-end">
            <Button type="submit" disabled={typed.trim() === ""} busy={ask.isPending}>
              Send a link
            </Button>
          </div>
        </form>
      )}
    </Plate>
  );
}
