/** A public agent: what it does, what it asks for, what is known of it, and what people say. */
import { useQuery } from "@tanstack/react-query";
import { ExternalLink, Flag } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { categoryName } from "@/api/categories";
import { countView, lookUpPages, offerKeys, offerQuery, readPage } from "@/api/marketplace";
import { ApiProblem } from "@/api/problem";
import { useSession } from "@/api/session";
import type { Offer } from "@/api/types";
import { Button, buttonClass } from "@/components/button";
import { useOffer as useCommandOffer } from "@/components/commands";
import { CopyButton } from "@/components/copy";
import { Page } from "@/components/page";
import { Problem } from "@/components/problem";
import { Rating } from "@/components/stars";
import { Tag } from "@/components/status";
import { Ago } from "@/components/time";
import { copies } from "./card";
import { About, AwaitedOffer, Checked, CRUMBS, NotPublished, OfferFrame } from "./offer-frame";
import { Inputs, type Place, Reading, Screenshots, Versions } from "./offer-parts";
import { ReportDialog, type Reported } from "./report-dialog";
import { Reviews } from "./reviews";

const place = (slug: string): Place => ({
  key: offerKeys.one(slug),
  readPage: (path, signal, version) => readPage(slug, path, signal, version),
  lookUp: (q, signal, version) => lookUpPages(slug, q, signal, version),
  older: true,
});

export function OfferPage() {
  const { slug = "" } = useParams();
  const query = useQuery(offerQuery(slug));
  const there = query.data !== undefined;
  useEffect(() => {
    if (there) countView(slug);
  }, [slug, there]);
  if (query.data) {
    return (
      <Told key={slug} offer={query.data} problem={query.error} retry={() => query.refetch()} />
    );
  }
  if (query.error instanceof ApiProblem && query.error.status === 404) return <NotPublished />;
  if (!query.error) return <AwaitedOffer title="Marketplace agent" />;
  return (
    <Page title="Marketplace agent" crumbs={CRUMBS}>
      <Problem error={query.error} retry={() => query.refetch()} />
    </Page>
  );
}

function Told({
  offer,
  problem,
  retry,
}: {
  offer: Offer;
  problem: Error | null;
  retry: () => void;
}) {
  const navigate = useNavigate();
  const signedIn = useSession(({ state }) => state === "signed-in");
  const [reported, setReported] = useState<Reported>();
  const copyAt = `/marketplace/${offer.slug}/copy`;
  const tellOf = (what: Reported) =>
    signedIn
      ? setReported(what)
      : navigate(`/sign-in?return_to=${encodeURIComponent(`/marketplace/${offer.slug}`)}`);
  useCommandOffer(
    useMemo(
      () => [
        {
          id: "offer.copy",
          title: `Deploy my own copy of ${offer.name}`,
          group: "This page",
          keys: "d",
          run: () => navigate(copyAt),
        },
        {
          id: "offer.reviews",
          title: `Reviews of ${offer.name}`,
          group: "This page",
          run: () => document.getElementById("reviews")?.scrollIntoView(),
        },
      ],
      [offer.name, copyAt, navigate],
    ),
  );
  return (
    <>
      <OfferFrame
        offer={offer}
        copyAt={copyAt}
        actions={
          offer.demo_url ? (
            <a
              href={offer.demo_url}
              target="_blank"
              rel="noopener noreferrer"
              className={buttonClass({})}
            >
              <ExternalLink size={16} aria-hidden="true" />
              Try it
            </a>
          ) : null
        }
        above={problem ? <Problem compact error={problem} retry={retry} className="mb-4" /> : null}
        aside={
          <>
            <Counted offer={offer} />
            <Checked />
            <Button variant="quiet" size="sm" icon={Flag} onClick={() => tellOf({})}>
              Report this agent
            </Button>
          </>
        }
      >
        <Screenshots shots={offer.screenshots} name={offer.name} />
        <Reading offer={offer} place={place(offer.slug)} />
        <Inputs offer={offer} />
        <Versions offer={offer} older />
        <Reviews offer={offer} onReport={(review) => tellOf({ review })} />
      </OfferFrame>
      <ReportDialog slug={offer.slug} what={reported} onClose={() => setReported(undefined)} />
    </>
  );
}

function Counted({ offer }: { offer: Offer }) {
  const { counts } = offer;
  const number = (value: number) => value.toLocaleString("en");
  const social = `${window.location.origin}/api/v1/marketplace/agents/${offer.slug}/social`;
  return (
    <About
      offer={offer}
      before={[
        [
          "Rating",
          <a key="r" href="#reviews" className="hover:underline">
            <Rating {...counts} />
          </a>,
        ],
        ["Used", used(counts)],
        ["This month", inUse(offer.active_users)],
        ["Looked at", `${number(counts.views)} ${counts.views === 1 ? "time" : "times"}`],
      ]}
      after={[
        ["Published", <Ago key="p" at={offer.published_at} />],
        ["Newest", <Ago key="n" at={offer.refreshed_at} />],
        [
          "Share",
          <span key="c" className="inline-flex items-center">
            Link <CopyButton text={social} label="Copy a link with a preview" />
          </span>,
        ],
      ]}
    >
      <ul aria-label="Found under" className="mt-4 flex flex-wrap gap-1.5">
        {offer.categories.map((category) => (
          <li key={category}>
            <Link to={`/marketplace?category=${category}`} className="hover:underline">
              <Tag>{categoryName(category)}</Tag>
            </Link>
          </li>
        ))}
        {offer.tags.map((tag) => (
          <li key={tag}>
            <Link to={`/marketplace?tag=${encodeURIComponent(tag)}`} className="hover:underline">
              <Tag># {tag}</Tag>
            </Link>
          </li>
        ))}
      </ul>
    </About>
  );
}

function used({ deployments, users }: Offer["counts"]): string {
  if (deployments === 0) return "By nobody yet";
  return `${copies(deployments)} by ${users.toLocaleString("en")} ${users === 1 ? "person" : "people"}`;
}

function inUse(people: number): string {
  if (people === 0) return "Nobody runs it";
  return people === 1 ? "One person runs it" : `${people.toLocaleString("en")} people run it`;
}
