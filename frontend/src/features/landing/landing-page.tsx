/** What Slipway is, in one screen. */
import { ButtonLink } from "@/components/button";
import { useTitle } from "@/components/page";

export function LandingPage() {
  useTitle("");
  return (
    <div className="mx-auto w-full max-w-6xl px-4 py-20 sm:px-6">
      <h1 className="max-w-2xl text-4xl">Build it anywhere. Launch it here.</h1>
      <p className="mt-5 max-w-xl text-lg text-ink-2">
        Slipway deploys and runs AI agents. Give it a folder, a zip or a template, and watch it go
        live.
      </p>
      <ButtonLink to="/sign-in" variant="primary" size="lg" className="mt-8">
        Launch an agent
      </ButtonLink>
    </div>
  );
}
