/** The frame of every page: its title, where it stands, what can be done, and its parts. */
import { clsx } from "clsx";
import { type ReactNode, useEffect, useLayoutEffect, useRef } from "react";
import { Link, NavLink, useLocation } from "react-router";

/** The title of the browser tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Slipway` : "Slipway";
  }, [title]);
}

interface Crumb {
  to: string;
  label: string;
}

interface PageProps {
  title: string;
  /** In place of the plain title: the same words with something beside them. */
  heading?: ReactNode;
  lead?: ReactNode;
  crumbs?: Crumb[];
  actions?: ReactNode;
  tabs?: ReactNode;
  children: ReactNode;
  width?: "narrow" | "normal" | "wide";
}

export function Page({
  title,
  heading,
  lead,
  crumbs,
  actions,
  tabs,
  children,
  width = "normal",
}: PageProps) {
  useTitle(title);
  const headingRef = useRef<HTMLHeadingElement>(null);
  useFocusOnArrival(headingRef);
  return (
    <div
      className={clsx(
        "mx-auto w-full px-4 pt-7 pb-20 sm:px-6",
        { narrow: "max-w-3xl", normal: "max-w-6xl", wide: "max-w-[96rem]" }[width],
      )}
    >
      <header>
        {crumbs ? (
          <nav aria-label="Where you are" className="mb-2 text-sm text-ink-3">
            <ol className="flex flex-wrap gap-x-2">
              {crumbs.map((crumb) => (
                <li key={crumb.to} className="flex min-w-0 gap-2 last:[&>span]:hidden">
                  <Link to={crumb.to} className="truncate hover:text-ink hover:underline">
                    {crumb.label}
                  </Link>
                  <span aria-hidden="true">/</span>
                </li>
              ))}
            </ol>
          </nav>
        ) : null}
        <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
          <div className="min-w-0">
            <h1 ref={headingRef} tabIndex={-1} className="text-2xl break-words">
              {heading ?? title}
            </h1>
            {lead ? <div className="mt-1.5 max-w-2xl text-ink-2">{lead}</div> : null}
          </div>
          {actions ? <div className="flex flex-wrap items-center gap-2">{actions}</div> : null}
        </div>
        {tabs ? <div className="mt-5">{tabs}</div> : <div className="draught-x mt-5 text-line-2" />}
      </header>
      <div className="mt-6">{children}</div>
    </div>
  );
}

/** The address that the browser began with, until it is left. */
let began: string | null = null;

/** After a change of page the new heading has the focus: screen readers begin there. */
function useFocusOnArrival(ref: React.RefObject<HTMLElement | null>): void {
  const { pathname } = useLocation();
  useEffect(() => {
    // The browser begins its first page at the top by itself.
    began ??= pathname;
    if (pathname === began) return;
    began = "";
    const { activeElement } = document;
    const elsewhere =
      activeElement && activeElement !== document.body && document.contains(activeElement);
    if (elsewhere && activeElement.matches("input, textarea, select, [role=dialog] *")) return;
    ref.current?.focus({ preventScroll: true });
  }, [pathname, ref]);
}

export interface Tab {
  to: string;
  label: string;
  /** A number beside it. */
  count?: number | undefined;
  end?: boolean;
}

/** The parts of a page, each with an address of its own. */
export function Tabs({ label, tabs }: { label: string; tabs: Tab[] }) {
  const bar = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  // On a phone the chosen one may lie outside: it is brought into sight, and only the bar moves.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another address chooses another tab
  useLayoutEffect(() => {
    // In the next frame, before it is painted: asked at once, the page would be laid out twice.
    const frame = requestAnimationFrame(() => {
      const nav = bar.current;
      const chosen = nav?.querySelector<HTMLElement>('[aria-current="page"]');
      if (nav && chosen) {
        nav.scrollLeft = chosen.offsetLeft - (nav.clientWidth - chosen.offsetWidth) / 2;
      }
    });
    return () => cancelAnimationFrame(frame);
  }, [pathname]);
  return (
    <nav
      ref={bar}
      aria-label={label}
      className="relative -mx-4 overflow-x-auto border-b border-line px-4 sm:mx-0 sm:px-0"
    >
      <ul className="flex w-max gap-1">
        {tabs.map((tab) => (
          <li key={tab.to}>
            <NavLink
              to={tab.to}
              end={tab.end ?? false}
              preventScrollReset
              className={({ isActive }) =>
                clsx(
                  "-mb-px flex items-center gap-1.5 border-b-2 px-3 py-2.5 text-sm whitespace-nowrap -outline-offset-2",
                  isActive
                    ? "border-oxide font-[600] text-ink"
                    : "border-transparent text-ink-2 hover:border-line-2 hover:text-ink",
                )
              }
            >
              {tab.label}
              {tab.count === undefined ? null : (
                <span className="figures rounded-sm bg-sunk px-1 text-xs text-ink-2">
                  {tab.count}
                </span>
              )}
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** A part of a page on a plate of its own. */
export function Plate({
  title,
  note,
  actions,
  children,
  className,
  flush = false,
}: {
  title?: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Children reach the edges: tables and lists. */
  flush?: boolean;
}) {
  return (
    <section className={clsx("plate min-w-0", className)}>
      {title || actions ? (
        <header className="flex min-h-12 flex-wrap items-center justify-between gap-x-4 gap-y-1 border-b border-line px-4 py-2">
          <div className="flex min-w-0 flex-wrap items-baseline gap-x-3">
            {title ? <h2 className="text-base">{title}</h2> : null}
            {note ? <span className="text-sm text-ink-3">{note}</span> : null}
          </div>
          {actions ? <div className="flex flex-wrap items-center gap-2">{actions}</div> : null}
        </header>
      ) : null}
      {/* Rows reach the edges; what went wrong stands apart from them. */}
      <div className={flush ? "[&>[role=alert]]:m-4" : "p-4"}>{children}</div>
    </section>
  );
}

/** Facts as pairs of name and value. */
export function Facts({ items }: { items: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(6.5rem,auto)_1fr] gap-x-5 gap-y-2 text-sm">
      {items.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-ink-3">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
