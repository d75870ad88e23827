/**
 * Draws a page as it is before anything has been read, for the build: the outline that people see
 * while the app is on its way. Runs as a worker of the build: what the app keeps open ends with it.
 */
import { parentPort, workerData } from "node:worker_threads";
import { QueryClientProvider } from "@tanstack/react-query";
import { renderToStaticMarkup } from "react-dom/server";
import { createStaticHandler, createStaticRouter, StaticRouterProvider } from "react-router";
import { newQueryClient } from "./api/query-client";
import { SkeletonRows } from "./components/skeleton";
import { routes } from "./router";

export interface Order {
  /** An address; stars stand for what the build cannot know. */
  pattern: string;
  /** Whether somebody was signed in when last here. */
  known: boolean;
}

/** The markup of an address's first moment. */
async function draw(pattern: string): Promise<string> {
  const path = pattern === "**" ? ANY : pattern.replaceAll("*", UNKNOWN);
  const handler = createStaticHandler(routes([{ path: ANY, element: <Any /> }]));
  const found = await handler.query(new Request(`http://localhost${path}`));
  if (found instanceof Response) throw new Error(`${path} is not a page: ${found.status}`);
  if (found.errors) throw new Error(`${path} failed: ${JSON.stringify(found.errors)}`);
  const markup = renderToStaticMarkup(
    <QueryClientProvider client={newQueryClient()}>
      <StaticRouterProvider
        router={createStaticRouter(handler.dataRoutes, found)}
        context={found}
        hydrate={false}
      />
    </QueryClientProvider>,
  );
  return (
    markup
      // A link to what is not known yet leads nowhere until the app is there.
      .replace(new RegExp(` href="[^"]*${UNKNOWN}[^"]*"`, "g"), "")
      // The content security policy has no place for these; the app sets them through the DOM.
      .replaceAll(/ style="[^"]*"/g, "")
  );
}

const UNKNOWN = "__unknown__";
const ANY = "/__any__";

function Any() {
  return (
    <div className="mx-auto w-full max-w-6xl px-4 py-10 sm:px-6">
      <SkeletonRows />
    </div>
  );
}

let known = false;
Object.assign(globalThis, {
  localStorage: {
    getItem: (name: string) => (known && name === "slipway.session" ? "1" : null),
    setItem: () => undefined,
    removeItem: () => undefined,
  },
});

const drawn: string[] = [];
for (const order of workerData as Order[]) {
  known = order.known;
  drawn.push(await draw(order.pattern));
}
parentPort?.postMessage(drawn);
