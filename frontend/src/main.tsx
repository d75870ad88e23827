/** Starts the app, in place of the outline that came with the page. */
import "./styles/app.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, startTransition, useLayoutEffect } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";
import { newQueryClient } from "./api/query-client";
import { accessToken } from "./api/session";
import { applyTheme } from "./components/theme";
import { keepTyped } from "./keep-typed";
import { newRouter } from "./router";

applyTheme();
// Who was signed in here is asked for at once, while the page is still on its way.
accessToken().catch(() => undefined);

const root = document.getElementById("root");
if (root) {
  const queries = newQueryClient();
  const router = newRouter(queries);
  const putBack = keepTyped(root);
  const start = () =>
    // In slices, so that scrolling and typing in the outline are not held up.
    startTransition(() =>
      createRoot(root).render(
        <StrictMode>
          <QueryClientProvider client={queries}>
            <Arrived then={putBack}>
              <RouterProvider router={router} />
            </Arrived>
          </QueryClientProvider>
        </StrictMode>,
      ),
    );
  // The outline stays until the page itself can be drawn: nothing blinks in between.
  if (router.state.initialized) start();
  else {
    const stop = router.subscribe(({ initialized }) => {
      if (!initialized) return;
      stop();
      start();
    });
  }
}

function Arrived({ then, children }: { then: () => void; children: React.ReactNode }) {
  useLayoutEffect(then, [then]);
  return children;
}
