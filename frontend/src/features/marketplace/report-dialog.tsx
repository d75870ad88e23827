/** Tells the operators that a listing or a review should not be there. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { report } from "@/api/marketplace";
import type { ReportReason, Review } from "@/api/types";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { SelectField, TextArea } from "@/components/field";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";

/** Without a review: the listing as a whole. */
export interface Reported {
  review?: Review;
}

const REASONS: Record<ReportReason, string> = {
  spam: "Spam or advertising",
  malware: "It does harm",
  impersonation: "It pretends to be somebody else",
  copyright: "It uses what belongs to others",
  offensive: "It offends",
  other: "Something else",
};

export function ReportDialog({
  slug,
  what,
  onClose,
}: {
  slug: string;
  what: Reported | undefined;
  onClose: () => void;
}) {
  const [reason, setReason] = useState<ReportReason>("spam");
  const [detail, setDetail] = useState("");
  const send = useMutation({
    mutationFn: () =>
      report(slug, { reason, detail, ...(what?.review ? { review_id: what.review.id } : {}) }),
    onSuccess: () => {
      setDetail("");
      onClose();
      toast.done("Reported", { detail: "Operators will read it and decide. Thank you." });
    },
  });
  const close = () => {
    send.reset();
    onClose();
  };
  return (
    <Dialog
      open={what !== undefined}
      onOpenChange={(open) => (open ? undefined : close())}
      title={what?.review ? `Report the review by ${what.review.author}` : "Report this agent"}
      description="Only operators read this. The author is not told who reported."
      footer={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" form="report-form" variant="primary" busy={send.isPending}>
            Send report
          </Button>
        </>
      }
    >
      <form
        id="report-form"
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          send.mutate();
        }}
      >
        <SelectField
          label="What is wrong"
          value={reason}
          onChange={(event) => setReason(event.target.value as ReportReason)}
        >
          {Object.entries(REASONS).map(([id, label]) => (
            <option key={id} value={id}>
              {label}
            </option>
          ))}
        </SelectField>
        <TextArea
          label="What you saw"
          optional
          maxLength={2000}
          value={detail}
          onChange={(event) => setDetail(event.target.value)}
        />
        {send.error ? <Problem compact error={send.error} /> : null}
      </form>
    </Dialog>
  );
}
