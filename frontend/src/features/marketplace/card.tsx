/** An agent of the marketplace as lists show it: a card in the grid, a row in the list. */
import { clsx } from "clsx";
import { Link } from "react-router";
import { categoryName } from "@/api/categories";
import type { Card } from "@/api/types";
import { runtimeName } from "@/components/runtime";
import { Rating } from "@/components/stars";
import { Tag } from "@/components/status";
import { Ago } from "@/components/time";

export function Emblem({
  picture,
  icon,
  name,
  large = false,
}: {
  picture: string;
  icon: string;
  name: string;
  large?: boolean;
}) {
  return (
    <span
      aria-hidden="true"
      className={clsx(
        "flex shrink-0 items-center justify-center overflow-hidden rounded border border-line bg-sunk text-ink-2",
        large ? "size-14 text-2xl" : "size-10 text-xl",
        icon || picture ? "" : "stencil",
      )}
    >
      {picture ? (
        <img
          src={`/${picture}`}
          alt=""
          width={large ? 56 : 40}
          height={large ? 56 : 40}
          loading="lazy"
          className="size-full object-cover"
        />
      ) : (
        icon || [...name][0]
      )}
    </span>
  );
}

export function copies(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "copy" : "copies"}`;
}

function Name({ card }: { card: Card }) {
  return (
    <h2 className="text-base leading-snug">
      <Link
        to={`/marketplace/${card.slug}`}
        className="break-words after:absolute after:inset-0 after:rounded-lg hover:underline"
      >
        <bdi>{card.name}</bdi>
      </Link>
    </h2>
  );
}

export function GridCard({ card }: { card: Card }) {
  return (
    <article className="plate relative flex h-full min-w-0 flex-col gap-3 p-4 transition-colors hover:border-line-2">
      <div className="flex items-start gap-3">
        <Emblem picture={card.picture} icon={card.icon} name={card.name} />
        <div className="min-w-0">
          <Name card={card} />
          <p className="truncate text-sm text-ink-3">
            by <bdi>{card.publisher}</bdi>
          </p>
        </div>
      </div>
      <p className="line-clamp-3 flex-1 text-sm break-words text-ink-2">{card.summary}</p>
      <div className="flex flex-wrap gap-1.5">
        {card.runtime ? <Tag>{runtimeName(card.runtime)}</Tag> : null}
        {card.categories.slice(0, 2).map((category) => (
          <Tag key={category}>{categoryName(category)}</Tag>
        ))}
      </div>
      <div className="flex flex-wrap items-center justify-between gap-x-3 border-t border-line pt-2.5 text-sm text-ink-2">
        <Rating {...card.counts} />
        <span className="figures">{copies(card.counts.deployments)}</span>
      </div>
    </article>
  );
}

export function ListRow({ card }: { card: Card }) {
  return (
    <article className="relative flex items-start gap-3 px-4 py-3.5 hover:bg-sunk/50">
      <Emblem picture={card.picture} icon={card.icon} name={card.name} />
      <div className="grid min-w-0 flex-1 gap-x-5 gap-y-1 md:grid-cols-[minmax(0,1fr)_11rem]">
        <div className="min-w-0">
          <div className="flex flex-wrap items-baseline gap-x-2">
            <Name card={card} />
            <span className="min-w-0 truncate text-sm text-ink-3">
              by <bdi>{card.publisher}</bdi>
            </span>
          </div>
          <p className="line-clamp-2 text-sm break-words text-ink-2">{card.summary}</p>
        </div>
        <div className="flex flex-wrap items-center gap-x-3 gap-y-0.5 text-sm text-ink-2 md:flex-col md:items-end">
          <Rating {...card.counts} />
          <span className="figures">{copies(card.counts.deployments)}</span>
          <span className="text-ink-3">
            {card.runtime ? `${runtimeName(card.runtime)}, ` : ""}
            <Ago at={card.refreshed_at} />
          </span>
        </div>
      </div>
    </article>
  );
}
