/** The signed-in person: who they are, their sessions, their ways to sign in, their data. */
import { queryOptions } from "@tanstack/react-query";
import { api } from "./client";

export const accountKeys = {
  me: ["me"] as const,
  sessions: ["me", "sessions"] as const,
  identities: ["me", "identities"] as const,
};

export const meQuery = queryOptions({
  queryKey: accountKeys.me,
  queryFn: ({ signal }) => api.get("/me", { signal }),
  staleTime: 60_000,
});

export const sessionsQuery = queryOptions({
  queryKey: accountKeys.sessions,
  queryFn: ({ signal }) => api.get("/me/sessions", { signal, asMyself: true }),
});

export const identitiesQuery = queryOptions({
  queryKey: accountKeys.identities,
  queryFn: ({ signal }) => api.get("/me/identities", { signal, asMyself: true }),
});

export const renameMe = (name: string) => api.patch("/me", { body: { name }, asMyself: true });

/** Has a link sent to the address that the account is to have. */
export const askNewAddress = (email: string) =>
  api.post("/me/email", { body: { email }, asMyself: true });

export const confirmNewAddress = (token: string) =>
  api.post("/me/email/confirm", { body: { token }, asMyself: true });

export const endSession = (id: string) =>
  api.delete("/me/sessions/{session_id}", { path: { session_id: id }, asMyself: true });

export const endOtherSessions = () => api.post("/me/sessions/end-others", { asMyself: true });

export const unlinkIdentity = (id: string) =>
  api.delete("/me/identities/{identity_id}", { path: { identity_id: id }, asMyself: true });

export const exportMe = () => api.get("/me/export", { asMyself: true, timeout: 60_000 });

/** Deletes the account for good; `confirm` is its email address. */
export const deleteMe = (confirm: string) =>
  api.delete("/me", { body: { confirm }, asMyself: true, timeout: 60_000 });
