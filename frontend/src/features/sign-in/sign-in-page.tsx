/** Signing in: an account elsewhere, or a link by email. */
import { useQuery } from "@tanstack/react-query";
import { Navigate, useLocation, useSearchParams } from "react-router";
import { useSession } from "@/api/session";
import { departure, providersQuery } from "@/api/sign-in";
import { buttonClass } from "@/components/button";
import { Problem } from "@/components/problem";
import { ProviderSign } from "@/components/provider-sign";
import { EmailForm } from "./email-form";
import { Gate } from "./gate";
import { LinkPage } from "./link-page";
import { refusal } from "./refusals";
import { returnTo } from "./return-to";

export function SignInPage() {
  const { state } = useSession();
  const [search] = useSearchParams();
  const { hash } = useLocation();
  const providers = useQuery(providersQuery);
  const back = returnTo(search);
  const error = search.get("error");
  if (hash.includes("token=")) return <LinkPage />;
  if (state === "signed-in") return <Navigate to={back} replace />;
  const { items = [], mailbox_url: mailbox = null } = providers.data ?? {};
  return (
    <Gate title="Sign in" lead="New here? Signing in for the first time makes your account.">
      {error ? <Problem compact error={refusal(error)} className="mb-5" /> : null}
      {items.length > 0 ? (
        <>
          <ul className="space-y-2">
            {items.map((provider) => (
              <li key={provider.id}>
                <a
                  href={departure(provider.id, back)}
                  className={buttonClass({ size: "lg" }, "w-full")}
                >
                  <ProviderSign kind={provider.kind} />
                  Continue with {provider.name}
                </a>
              </li>
            ))}
          </ul>
          <p className="my-5 flex items-center gap-3 text-sm text-ink-3">
            <span aria-hidden="true" className="h-px flex-1 bg-line" />
            or by email
            <span aria-hidden="true" className="h-px flex-1 bg-line" />
          </p>
        </>
      ) : null}
      <EmailForm returnTo={back} mailbox={mailbox} />
      {mailbox ? (
        <p className="mt-5 border-t border-line pt-4 text-sm text-ink-2">
          This Slipway runs on your machine: mail goes to the{" "}
          <a href={mailbox} className="text-sea underline underline-offset-2">
            local mailbox
          </a>
          , nowhere else.
        </p>
      ) : null}
    </Gate>
  );
}
