/** Starts the app. */
import "./styles/app.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router/dom";
import { newQueryClient } from "./api/query-client";
import { accessToken } from "./api/session";
import { applyTheme } from "./components/theme";
import { newRouter } from "./router";

applyTheme();
// Who was signed in here is asked for at once, while the page is still on its way.
accessToken().catch(() => undefined);

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={newQueryClient()}>
        <RouterProvider router={newRouter()} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
