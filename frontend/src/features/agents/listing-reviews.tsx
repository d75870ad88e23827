/** What people say of the published agent, and the author's answers to them. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { replyTo, reviewsQuery } from "@/api/marketplace";
import { asProblem } from "@/api/problem";
import type { Review } from "@/api/types";
import { Button } from "@/components/button";
import { TextArea } from "@/components/field";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { Problem } from "@/components/problem";
import { SkeletonRows } from "@/components/skeleton";
import { Stars } from "@/components/stars";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

const MAX_TEXT = 2000;

export function ListingReviews({ agentId, slug }: { agentId: string; slug: string }) {
  const query = useInfiniteQuery(reviewsQuery(slug));
  return (
    <Plate title="Reviews" note="your answers stand below them" flush>
      <PagedList
        query={query}
        loading={<SkeletonRows rows={2} height="h-20" />}
        more="Show more"
        empty={<p className="px-4 py-6 text-sm text-ink-2">Nobody has reviewed it yet.</p>}
      >
        {(review) => (
          <li key={review.id} className="p-4 text-sm">
            <Answered agentId={agentId} slug={slug} review={review} />
          </li>
        )}
      </PagedList>
    </Plate>
  );
}

function Answered({ agentId, slug, review }: { agentId: string; slug: string; review: Review }) {
  const client = useQueryClient();
  // Null: nobody is writing.
  const [text, setText] = useState<string | null>(null);
  const save = useMutation({
    mutationFn: (reply: string) => replyTo(agentId, review.id, reply),
    onSuccess: async (_, reply) => {
      setText(null);
      toast.done(reply ? "Your answer is published" : "Your answer is taken away");
      await client.invalidateQueries({ queryKey: reviewsQuery(slug).queryKey });
    },
  });
  const problem = save.error ? asProblem(save.error) : undefined;
  const fault = problem?.field("text");
  return (
    <article aria-label={`Review by ${review.author}`}>
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Stars stars={review.stars} />
        <bdi className="font-[600]">{review.author}</bdi>
        <span className="text-ink-3">
          <Ago at={review.updated_at} />
        </span>
      </header>
      {review.text ? <p className="mt-1.5 break-words whitespace-pre-line">{review.text}</p> : null}
      {review.reply && text === null ? (
        <div className="mt-3 border-l-2 border-line-2 pl-3">
          <p className="text-ink-3">
            You answered {review.replied_at ? <Ago at={review.replied_at} /> : null}
          </p>
          <p className="break-words whitespace-pre-line">{review.reply}</p>
        </div>
      ) : null}
      {text === null ? (
        <Button
          size="sm"
          variant="quiet"
          className="mt-2 -ml-2.5"
          onClick={() => setText(review.reply)}
        >
          {review.reply ? "Change the answer" : "Answer"}
        </Button>
      ) : (
        <form
          aria-label={`Answer to ${review.author}`}
          className="mt-3 space-y-3"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            if (text.trim() !== review.reply && !save.isPending) save.mutate(text.trim());
          }}
        >
          <TextArea
            label="Your answer"
            hint="Everybody sees it. Empty, it is taken away."
            rows={3}
            maxLength={MAX_TEXT}
            value={text}
            error={fault}
            onChange={(event) => setText(event.target.value)}
          />
          {problem?.beside("text") ? <Problem compact error={problem} /> : null}
          <div className="flex flex-wrap justify-end gap-2">
            <Button onClick={() => setText(null)}>Leave it</Button>
            <Button
              type="submit"
              variant="primary"
              disabled={text.trim() === review.reply}
              busy={save.isPending}
            >
              Publish the answer
            </Button>
          </div>
        </form>
      )}
    </article>
  );
}
