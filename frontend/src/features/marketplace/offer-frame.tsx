/** The frame of an agent's page, whoever may see it: its name, what is known of it, what was checked. */
import { Copy as CopyIcon } from "lucide-react";
import type { ReactNode } from "react";
import type { Offer, SharedOffer } from "@/api/types";
import { ButtonLink } from "@/components/button";
import { Empty } from "@/components/empty";
import { Facts, Page, Plate } from "@/components/page";
import { runtimeName } from "@/components/runtime";
import { ColumnsOutline, Skeleton } from "@/components/skeleton";
import { Light } from "@/components/status";
import { Emblem } from "./card";

export const CRUMBS = [{ to: "/marketplace", label: "Marketplace" }];

export function OfferFrame({
  offer,
  copyAt,
  actions,
  above,
  aside,
  children,
}: {
  offer: Offer | SharedOffer;
  copyAt: string;
  actions?: ReactNode;
  /** What stands over both columns. */
  above?: ReactNode;
  aside: ReactNode;
  children: ReactNode;
}) {
  return (
    <Page
      title={offer.name}
      heading={
        <span className="flex items-center gap-3.5">
          <Emblem picture={offer.picture} icon={offer.icon} name={offer.name} large />
          <span className="min-w-0">
            <bdi className="block break-words">{offer.name}</bdi>
            <span className="mt-1 block text-sm font-normal tracking-normal text-ink-3">
              by <bdi>{offer.publisher}</bdi>
            </span>
          </span>
        </span>
      }
      lead={<p className="break-words">{offer.summary}</p>}
      crumbs={CRUMBS}
      actions={
        <>
          {actions}
          <ButtonLink to={copyAt} icon={CopyIcon} variant="primary">
            Deploy my own copy
          </ButtonLink>
        </>
      }
    >
      {above}
      <div className="grid gap-5 lg:grid-cols-[minmax(0,1fr)_19rem]">
        <div className="min-w-0 space-y-5">{children}</div>
        <aside aria-label="About this agent" className="min-w-0 space-y-5">
          {aside}
        </aside>
      </div>
    </Page>
  );
}

type Fact = [string, ReactNode];

/** What is known of the agent, between what only some of its readers are told. */
export function About({
  offer,
  before = [],
  after,
  children,
}: {
  offer: Offer | SharedOffer;
  before?: Fact[];
  after: Fact[];
  children?: ReactNode;
}) {
  return (
    <Plate title="About">
      <Facts
        items={[
          ...before,
          ["Runtime", runtimeName(offer.runtime) || "–"],
          ...(offer.protocol ? [["Speaks", offer.protocol] as Fact] : []),
          ["Licence", <Licence key="l" offer={offer} />],
          ["Source", <Source key="s" offer={offer} />],
          ["Costs", offer.pricing || "Nothing beyond running it"],
          ...after,
        ]}
      />
      {children}
    </Plate>
  );
}

function Licence({ offer }: { offer: Offer | SharedOffer }) {
  if (!offer.licence_text) return offer.licence || "–";
  return (
    <details>
      <summary className="text-sea hover:underline">{offer.licence}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0} className="mt-2 max-h-64 overflow-auto text-xs whitespace-pre-wrap">
        {offer.licence_text}
      </pre>
    </details>
  );
}

function Source({ offer }: { offer: Offer | SharedOffer }) {
  if (!/^https:\/\//.test(offer.source_url)) {
    return offer.fork ? "Comes with a fork" : "Not published";
  }
  return (
    <a
      href={offer.source_url}
      target="_blank"
      rel="noopener noreferrer nofollow ugc"
      className="break-all text-sea underline"
    >
      {new URL(offer.source_url).host}
    </a>
  );
}

/** What the check list guarantees of everything that is published. */
const CHECKS: readonly string[] = [
  "Built by Slipway from its source",
  "Scan found nothing of high or critical severity",
  "All its tests passed in the build",
  "Its health path answers",
];

export function Checked({
  title = "Checked before publishing",
  checks = CHECKS,
}: {
  title?: string;
  checks?: readonly string[];
}) {
  return (
    <Plate title={title}>
      <ul className="space-y-2 text-sm">
        {checks.map((check) => (
          <li key={check} className="flex items-start gap-2">
            <Light tone="live" className="mt-1" />
            {check}
          </li>
        ))}
      </ul>
    </Plate>
  );
}

/** A page that is on its way: its name, author and summary are not known yet. */
export function AwaitedOffer({ title }: { title: string }) {
  return (
    <Page
      title={title}
      heading={
        <span className="flex items-center gap-3.5">
          <Skeleton className="size-14 shrink-0" />
          <span className="sr-only">{title}</span>
          <span className="space-y-2">
            <Skeleton className="h-6 w-44" />
            <Skeleton className="h-3.5 w-24" />
          </span>
        </span>
      }
      lead={
        <span className="flex h-6 items-center">
          <Skeleton className="h-4 w-80 max-w-full" />
        </span>
      }
      crumbs={CRUMBS}
      actions={<Skeleton className="h-9 w-44" />}
    >
      <ColumnsOutline what="Reading about the agent" columns="lg:grid-cols-[minmax(0,1fr)_19rem]" />
    </Page>
  );
}

/** In place of an agent that is not to be seen, whoever took it away. */
export function Gone({
  title,
  heading,
  children,
}: {
  title: string;
  heading: string;
  children: ReactNode;
}) {
  return (
    <Page title={title} crumbs={CRUMBS}>
      <div className="plate">
        <Empty
          title={heading}
          action={
            <ButtonLink to="/marketplace" variant="primary">
              Search the marketplace
            </ButtonLink>
          }
        >
          {children}
        </Empty>
      </div>
    </Page>
  );
}

export function NotPublished() {
  return (
    <Gone title="Not in the marketplace" heading="No agent is published under this address">
      It may have been withdrawn by its author, or the link is cut off. Copies that people have made
      go on.
    </Gone>
  );
}

export function NotShared() {
  return (
    <Gone title="Not shared any more" heading="Nothing is shared under this address">
      Whoever shared it has ended that, or its time is over. Copies that were made go on.
    </Gone>
  );
}
