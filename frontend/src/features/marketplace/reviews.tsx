/** What people who ran the agent say of it, and saying so oneself. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { clsx } from "clsx";
import { Flag, ThumbsUp } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import {
  deleteReview,
  offerKeys,
  putReview,
  reviewsQuery,
  standingQuery,
  voteHelpful,
} from "@/api/marketplace";
import { asProblem } from "@/api/problem";
import { useSession } from "@/api/session";
import type { Offer, Review } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { ConfirmDialog } from "@/components/dialog";
import { TextArea } from "@/components/field";
import { Plate } from "@/components/page";
import { PagedList } from "@/components/paged-list";
import { Problem } from "@/components/problem";
import { QueryView } from "@/components/query-view";
import { SkeletonRows } from "@/components/skeleton";
import { StarField, Stars } from "@/components/stars";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";

const MAX_TEXT = 2000;

export function Reviews({ offer, onReport }: { offer: Offer; onReport: (review: Review) => void }) {
  const query = useInfiniteQuery(reviewsQuery(offer.slug));
  const signedIn = useSession(({ state }) => state === "signed-in");
  const standing = useQuery({ ...standingQuery(offer.slug), enabled: signedIn });
  return (
    <div id="reviews" className="scroll-mt-20">
      <Plate title="Reviews" note="by people who ran it" flush>
        <div className="border-b border-line p-4">
          {signedIn ? <Mine offer={offer} /> : <SignInFirst slug={offer.slug} />}
        </div>
        <PagedList
          query={query}
          loading={<SkeletonRows rows={3} height="h-20" />}
          more="Show more"
          empty={
            <p className="px-4 py-6 text-sm text-ink-2">
              Nobody has reviewed it yet. Run a copy, and be the first.
            </p>
          }
        >
          {(review) => (
            <li key={review.id} className="p-4">
              <Shown
                slug={offer.slug}
                review={review}
                signedIn={signedIn}
                before={standing.data?.voted.includes(review.id) ?? false}
                onReport={() => onReport(review)}
              />
            </li>
          )}
        </PagedList>
      </Plate>
    </div>
  );
}

function SignInFirst({ slug }: { slug: string }) {
  return (
    <p className="flex flex-wrap items-center justify-between gap-3 text-sm text-ink-2">
      Whoever has run a copy can review it.
      <ButtonLink size="sm" to={`/sign-in?return_to=${encodeURIComponent(`/marketplace/${slug}`)}`}>
        Sign in to review
      </ButtonLink>
    </p>
  );
}

function Shown({
  slug,
  review,
  signedIn,
  before,
  onReport,
}: {
  slug: string;
  review: Review;
  signedIn: boolean;
  /** Whether the reader has found it helpful already, as far as is known. */
  before: boolean;
  onReport: () => void;
}) {
  const client = useQueryClient();
  const [chosen, setChosen] = useState<boolean>();
  const voted = chosen ?? before;
  const vote = useMutation({
    mutationFn: (helpful: boolean) => voteHelpful(slug, review.id, helpful),
    onMutate: (helpful) => setChosen(helpful),
    onSuccess: () => client.invalidateQueries({ queryKey: reviewsQuery(slug).queryKey }),
    onError: (error, helpful) => {
      setChosen(!helpful);
      toast.failed(error);
    },
  });
  return (
    <article aria-label={`Review by ${review.author}`} className="text-sm">
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <Stars stars={review.stars} />
        <bdi className="font-[600]">{review.author}</bdi>
        <span className="text-ink-3">
          <Ago at={review.updated_at} />
          {review.label ? <> on {review.label}</> : null}
        </span>
      </header>
      {review.text ? <p className="mt-1.5 break-words whitespace-pre-line">{review.text}</p> : null}
      {review.reply ? (
        <div className="mt-3 border-l-2 border-line-2 pl-3">
          <p className="text-ink-3">
            The author replied {review.replied_at ? <Ago at={review.replied_at} /> : null}
          </p>
          <p className="break-words whitespace-pre-line">{review.reply}</p>
        </div>
      ) : null}
      <div className="mt-2 -ml-2.5 flex flex-wrap items-center gap-1">
        {signedIn ? (
          <Button
            size="sm"
            variant="quiet"
            icon={ThumbsUp}
            aria-pressed={voted}
            className={clsx(voted && "text-sea!")}
            busy={vote.isPending}
            onClick={() => vote.mutate(!voted)}
          >
            Helpful{review.helpful > 0 ? ` (${review.helpful.toLocaleString("en")})` : ""}
          </Button>
        ) : review.helpful > 0 ? (
          <span className="px-2.5 text-ink-3">
            Helpful to {review.helpful.toLocaleString("en")}
          </span>
        ) : null}
        <Button size="sm" variant="quiet" icon={Flag} onClick={onReport}>
          Report
        </Button>
      </div>
    </article>
  );
}

function Mine({ offer }: { offer: Offer }) {
  const query = useQuery(standingQuery(offer.slug));
  return (
    <QueryView query={query} loading={<div className="h-9" />}>
      {({ review, may_review, why_not }) =>
        review || may_review ? (
          <ReviewForm
            key={review?.updated_at ?? "new"}
            slug={offer.slug}
            before={review ?? undefined}
          />
        ) : (
          <p className="text-sm text-ink-2">
            {why_not}{" "}
            <Link to={`/marketplace/${offer.slug}/copy`} className="text-sea underline">
              Run a copy
            </Link>
          </p>
        )
      }
    </QueryView>
  );
}

function ReviewForm({
  slug,
  before,
}: {
  slug: string;
  before: { stars: number; text: string; hidden: boolean; hidden_reason: string } | undefined;
}) {
  const client = useQueryClient();
  const [stars, setStars] = useState(before?.stars ?? 0);
  const [text, setText] = useState(before?.text ?? "");
  const [missing, setMissing] = useState(false);
  const [asking, setAsking] = useState(false);
  const changed = stars !== (before?.stars ?? 0) || text !== (before?.text ?? "");
  const again = () => client.invalidateQueries({ queryKey: offerKeys.one(slug) });
  const save = useMutation({
    mutationFn: () => putReview(slug, stars, text),
    onSuccess: async () => {
      toast.done(before ? "Review changed" : "Review published");
      await again();
    },
  });
  const remove = useMutation({
    mutationFn: () => deleteReview(slug),
    onSuccess: async () => {
      setAsking(false);
      toast.done("Review taken back");
      await again();
    },
    onError: (error) => {
      setAsking(false);
      toast.failed(error);
    },
  });
  const problem = save.error ? asProblem(save.error) : undefined;
  const fault = problem?.field("text");
  return (
    <form
      aria-label="Your review"
      className="space-y-3"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setMissing(stars === 0);
        if (stars > 0) save.mutate();
      }}
    >
      {before?.hidden ? (
        <p role="alert" className="rounded bg-lantern-wash px-3 py-2 text-sm text-lantern">
          Operators have hidden your review: {before.hidden_reason}
        </p>
      ) : null}
      <StarField
        value={stars}
        onChange={setStars}
        error={missing && stars === 0 ? "Choose one to five stars." : undefined}
      />
      <TextArea
        label="What you found"
        optional
        rows={3}
        maxLength={MAX_TEXT}
        error={fault}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {problem?.beside("text") ? <Problem compact error={problem} /> : null}
      <div className="flex flex-wrap justify-end gap-2">
        {before ? (
          <Button variant="quiet" onClick={() => setAsking(true)}>
            Withdraw it
          </Button>
        ) : null}
        <Button
          type="submit"
          variant="primary"
          disabled={before !== undefined && !changed}
          busy={save.isPending}
        >
          {before ? "Change my review" : "Publish my review"}
        </Button>
      </div>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title="Take your review back?"
        action="Withdraw it"
        busy={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        <p>Its stars no longer count. You can write another one later.</p>
      </ConfirmDialog>
    </form>
  );
}
