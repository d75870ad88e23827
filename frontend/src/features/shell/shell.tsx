/** The frame around every page: the hull with its navigation, the page, messages, and the keyboard. */
import { onlineManager, useIsFetching } from "@tanstack/react-query";
import { clsx } from "clsx";
import { Anchor, Search } from "lucide-react";
import { lazy, Suspense, useEffect, useState, useSyncExternalStore } from "react";
import { Link, NavLink, Outlet, ScrollRestoration, useLocation, useNavigation } from "react-router";
import { useSession, wasSignedIn } from "@/api/session";
import { ButtonLink, IconButton } from "@/components/button";
import { Wordmark } from "@/components/logo";
import { Boundary } from "@/components/problem";
import { Toasts } from "@/components/toast";
import { TooltipProvider } from "@/components/tooltip";
import { AccountMenu } from "./account-menu";
import { modKey } from "./mod-key";
import { NAV } from "./nav";
import { NavMenu } from "./nav-menu";
import { OrganisationSwitcher } from "./organisation-switcher";
import { SessionEnded } from "./session-ended";
import { usePanels, useShellCommands } from "./shell-commands";
import { useShortcuts } from "./shortcut-keys";

const palette = () => import("./palette");
const Palette = lazy(() => palette().then((m) => ({ default: m.Palette })));
const Shortcuts = lazy(() => import("./shortcuts").then((m) => ({ default: m.Shortcuts })));

export function Shell() {
  const signedIn = useSession(
    ({ state }) =>
      state === "signed-in" || state === "expired" || (state === "unknown" && wasSignedIn()),
  );
  const panels = usePanels();
  const { pathname } = useLocation();
  useShellCommands();
  useShortcuts();
  useEffect(() => {
    // Fetched while nothing else is to be done, so that it is there with the first key.
    const timer = setTimeout(() => palette().catch(() => undefined), 4000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <TooltipProvider skipDelayDuration={200}>
      <a
        href="#main"
        className="fixed top-1.5 left-2 z-50 -translate-y-16 rounded bg-sea px-4 py-2 font-[560] text-on-sea focus:translate-y-0"
      >
        Skip to the page
      </a>
      <header
        className={clsx(
          "on-hull sticky top-0 z-20 bg-hull text-on-hull",
          // On the first page the hull reaches further down, and so does its waterline.
          pathname !== "/" && "boot-top",
        )}
      >
        <div className="mx-auto flex h-14 max-w-[96rem] items-center gap-1 px-3 sm:gap-2 sm:px-6">
          <Link to="/" aria-label="Slipway, first page" className="mr-1 flex rounded-sm sm:mr-3">
            <Wordmark />
          </Link>
          {signedIn ? <OrganisationSwitcher /> : null}
          <nav aria-label="Main" className="hidden gap-1 lg:flex">
            {NAV.filter((item) => signedIn || !item.inside).map((item) => (
              <NavLink
                key={item.to}
                to={item.to}
                className={({ isActive }) =>
                  clsx(
                    "rounded px-3 py-1.5 text-sm font-[540]",
                    isActive ? "bg-hull-2 text-on-hull" : "text-on-hull-2 hover:text-on-hull",
                  )
                }
              >
                {item.label}
              </NavLink>
            ))}
          </nav>
          <div className="ml-auto flex items-center gap-1 sm:gap-2">
            <button
              type="button"
              onClick={() => usePanels.setState({ palette: true })}
              className="hidden h-8 items-center gap-2 rounded border border-white/20 pr-1.5 pl-2.5 text-sm text-on-hull-2 hover:border-white/45 hover:text-on-hull sm:flex"
            >
              <Search size={15} aria-hidden="true" />
              <span>Find or do</span>
              <kbd className="ml-4 rounded-sm bg-white/10 px-1.5 text-xs leading-5">{modKey} K</kbd>
            </button>
            <IconButton
              icon={Search}
              label="Find or do"
              className="text-on-hull-2! hover:bg-hull-2! hover:text-on-hull! sm:hidden"
              onClick={() => usePanels.setState({ palette: true })}
            />
            {signedIn ? (
              <>
                <ButtonLink
                  to="/deploy"
                  size="sm"
                  icon={Anchor}
                  variant="primary"
                  className="bg-[#78c6ec]! text-[#06202d]! hover:bg-[#a3d9f4]!"
                >
                  Deploy
                </ButtonLink>
                <AccountMenu />
              </>
            ) : (
              <ButtonLink
                to="/sign-in"
                size="sm"
                data-for="strangers"
                variant="primary"
                className="bg-[#78c6ec]! text-[#06202d]! hover:bg-[#a3d9f4]!"
              >
                Sign in
              </ButtonLink>
            )}
            <NavMenu signedIn={signedIn} />
          </div>
        </div>
        <Progress />
      </header>
      <Connection />
      <main id="main" tabIndex={-1} className="flex flex-1 flex-col pt-[5px] outline-none">
        <Boundary at={pathname}>
          <Outlet />
        </Boundary>
      </main>
      <Toasts />
      <SessionEnded />
      <ScrollRestoration getKey={({ pathname: path }) => path} />
      <Suspense fallback={null}>
        {panels.palette ? <Palette /> : null}
        {panels.shortcuts ? <Shortcuts /> : null}
      </Suspense>
    </TooltipProvider>
  );
}

/** A line of light along the waterline while a page is on its way. */
function Progress() {
  const going = useNavigation().state !== "idle";
  return (
    <div
      aria-hidden="true"
      className={clsx(
        "absolute inset-x-0 -bottom-px h-0.5 origin-left bg-[#78c6ec] transition-transform",
        going ? "scale-x-75 duration-[4s]" : "scale-x-0 duration-0",
      )}
    />
  );
}

/** Says when the connection is gone, and that nothing is lost by it. */
function Connection() {
  const online = useSyncExternalStore(
    (told) => onlineManager.subscribe(told),
    () => onlineManager.isOnline(),
    () => true,
  );
  const catchingUp = useIsFetching() > 0;
  const [wasAway, setWasAway] = useState(false);
  useEffect(() => {
    if (!online) setWasAway(true);
    else if (wasAway && !catchingUp) {
      const timer = setTimeout(() => setWasAway(false), 1500);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [online, catchingUp, wasAway]);
  return (
    <div role="status" className="sticky top-[61px] z-10">
      {online && !wasAway ? null : (
        <p
          className={clsx(
            "mt-[5px] px-4 py-2 text-center text-sm font-[560]",
            online ? "bg-starboard-wash text-starboard" : "bg-lantern-wash text-lantern",
          )}
        >
          {online
            ? "Connected again."
            : "You are offline. What you see is the last that was read; it goes on when you are back."}
        </p>
      )}
    </div>
  );
}
