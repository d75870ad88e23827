/** Draws a page as the app does: queries, addresses, somebody signed in. */
import { QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react";
import { createMemoryRouter, type RouteObject, RouterProvider } from "react-router";
import { newQueryClient } from "@/api/query-client";
import { begin, useSession } from "@/api/session";
import { TooltipProvider } from "@/components/tooltip";

export function signIn(): void {
  begin(
    {
      access_token: "token-of-the-test",
      token_type: "Bearer",
      expires_in: 900,
      return_to: "/agents",
      user: { id: "usr_ada", email: "ada@example.org", name: "Ada" },
    },
    { tell: false },
  );
}

export function renderPage(routes: RouteObject[], at: string, { signedIn = true } = {}) {
  signIn();
  if (!signedIn) useSession.setState({ state: "anonymous", user: null });
  const client = newQueryClient();
  client.setDefaultOptions({ queries: { ...client.getDefaultOptions().queries, retry: false } });
  const router = createMemoryRouter([{ HydrateFallback: Nothing, children: routes }], {
    initialEntries: [at],
  });
  return {
    router,
    ...render(
      <QueryClientProvider client={client}>
        <TooltipProvider>
          <RouterProvider router={router} />
        </TooltipProvider>
      </QueryClientProvider>,
    ),
  };
}

function Nothing() {
  return null;
}
