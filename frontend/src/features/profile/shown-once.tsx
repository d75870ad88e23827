/** A new token's secret, this once. */
import { useState } from "react";
import type { CreatedToken } from "@/api/types";
import { Button } from "@/components/button";
import { CodeBlock } from "@/components/copy";
import { Dialog } from "@/components/dialog";
import { CheckField } from "@/components/field";

export function ShownOnce({ token, onClose }: { token: CreatedToken; onClose: () => void }) {
  const [kept, setKept] = useState(false);
  return (
    <Dialog
      open
      firm
      onOpenChange={() => undefined}
      title={`${token.name} is made`}
      description="This is the only time its secret is shown. Copy it to where it is used."
      footer={
        <Button variant="primary" disabled={!kept} onClick={onClose}>
          Done
        </Button>
      }
    >
      <CodeBlock text={token.token} label="Copy the token" />
      <p className="mt-4 mb-1.5 text-sm text-ink-2">Programs send it with each call:</p>
      <CodeBlock
        text={`curl -H "Authorization: Bearer $SLIPWAY_TOKEN" ${window.location.origin}/api/v1/agents`}
        label="Copy the command"
      />
      <CheckField
        label="I have copied it"
        className="mt-4"
        checked={kept}
        onChange={(event) => setKept(event.target.checked)}
      />
    </Dialog>
  );
}
