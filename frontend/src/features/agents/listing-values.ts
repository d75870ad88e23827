/** Knows how a listing stands in the fields of a form, and what of it was changed. */
import type { ListingChange } from "@/api/listing";
import type { Category, Listing } from "@/api/types";

export interface Values {
  name: string;
  slug: string;
  summary: string;
  categories: Category[];
  tags: string;
  icon: string;
  publisher: string;
  licence: string;
  source_url: string;
  pricing: string;
  fork: boolean;
  demo: boolean;
}

export const LABELS: Record<keyof Values, string> = {
  name: "Name",
  slug: "Address",
  summary: "Summary",
  categories: "Categories",
  tags: "Tags",
  icon: "Icon",
  publisher: "Publisher",
  licence: "Licence",
  source_url: "Source",
  pricing: "Costs",
  fork: "Fork",
  demo: "Demo",
};

export function valuesOf(listing: Listing): Values {
  return {
    name: listing.name,
    slug: listing.slug,
    summary: listing.summary,
    categories: listing.categories,
    tags: listing.tags.join(", "),
    icon: listing.icon,
    publisher: listing.publisher,
    licence: listing.licence,
    source_url: listing.source_url,
    pricing: listing.pricing,
    fork: listing.fork,
    demo: listing.demo,
  };
}

/** "Web crawler, CSV" as the API takes it: lower case, dashes, each once. */
export function tagsOf(text: string): string[] {
  const tags = text.split(",").map((tag) =>
    tag
      .trim()
      .toLowerCase()
      .replace(/[\s_-]+/g, "-"),
  );
  return [...new Set(tags.filter(Boolean))];
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

export function changedFields(before: Values, now: Values): (keyof Values)[] {
  return (Object.keys(LABELS) as (keyof Values)[]).filter((field) =>
    field === "tags"
      ? !same(tagsOf(before.tags), tagsOf(now.tags))
      : !same(before[field], now[field]),
  );
}

export function changeOf(values: Values, fields: (keyof Values)[]): ListingChange {
  const all = { ...values, tags: tagsOf(values.tags) };
  return Object.fromEntries(fields.map((field) => [field, all[field]])) as ListingChange;
}

export function shownField(values: Values, field: keyof Values): string {
  const value = values[field];
  if (typeof value === "boolean") return value ? "yes" : "no";
  return (Array.isArray(value) ? value.join(", ") : value) || "–";
}
