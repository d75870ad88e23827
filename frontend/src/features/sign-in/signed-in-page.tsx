/** Where the second tab ends after a session was renewed for the first. */
import { ButtonLink } from "@/components/button";
import { Gate } from "./gate";

export function SignedInPage() {
  return (
    <Gate title="You are signed in">
      <p className="text-sm text-ink-2">
        The page you came from goes on by itself. You can close this one.
      </p>
      <ButtonLink to="/agents" className="mt-4">
        Go to your agents
      </ButtonLink>
    </Gate>
  );
}
