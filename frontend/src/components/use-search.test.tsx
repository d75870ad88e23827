import { act, render } from "@testing-library/react";
import { createMemoryRouter, RouterProvider } from "react-router";
import { expect, it } from "vitest";
import { type ChangeSearch, useSearch } from "./use-search";

interface Hand {
  change: ChangeSearch;
}

function Page({ hand }: { hand: Hand }) {
  const [search, change] = useSearch();
  hand.change = change;
  return <output>{`${search}`}</output>;
}

function shown(at: string) {
  const hand: Hand = { change: () => undefined };
  const routes = [{ path: "/", element: <Page hand={hand} /> }];
  const router = createMemoryRouter(routes, { initialEntries: [at] });
  const { container } = render(<RouterProvider router={router} />);
  return { hand, text: () => container.textContent, router };
}

const put = (name: string, value: string) => (now: URLSearchParams) => {
  now.set(name, value);
  return now;
};

it("loses none of two changes that come before the page is drawn again", async () => {
  const page = shown("/?q=tide");
  await act(async () => {
    page.hand.change(put("line", "7"), { replace: true });
    page.hand.change(put("levels", "warn"), { replace: true });
  });
  expect(page.text()).toBe("q=tide&line=7&levels=warn");
});

it("names all parameters anew", async () => {
  const page = shown("/?q=tide&line=7");
  await act(async () => page.hand.change({ levels: "warn" }));
  expect(page.text()).toBe("levels=warn");
  await act(async () => page.hand.change({}));
  expect(page.router.state.location.search).toBe("");
});
