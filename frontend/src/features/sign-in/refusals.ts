/** What to say when a provider sent somebody back without signing them in. */

const SAYS: Record<string, string> = {
  provider_declined: "You declined there, or closed the window. Try again, or choose another way.",
  provider_refused: "The provider did not sign you in. Try again, or choose another way.",
  email_unverified:
    "Your account there has no verified email address. Verify one there, or sign in by email.",
  sign_in_other_browser: "That sign-in was begun in another browser. Begin it again in this one.",
  sign_in_expired: "That sign-in has ended or was used already. Begin it again.",
  session_ended: "Your session ended on the way. Sign in, then try again.",
  identity_taken: "That account already signs in to another account here.",
  account_gone: "That account no longer exists.",
  provider_unknown: "There is no such way to sign in here. Choose one of these.",
  return_to_invalid: "The page you came from is none of ours. Begin here.",
  too_many_attempts:
    "Too many wrong attempts came from your network. Wait a few minutes, then try again.",
  too_many_requests: "Too many sign-ins came from your network. Wait a minute, then try again.",
  unavailable: "The provider does not answer just now. Try again, or sign in by email.",
};

export function refusal(code: string): { title: string; detail: string } {
  return {
    title: "You are not signed in",
    detail: SAYS[code] ?? "Something went wrong on the way. Try again, or choose another way.",
  };
}
