/** What Slipway is, in one screen: a hull above its waterline, and pictures of the real thing. */
import { Anchor } from "lucide-react";
import { useSession } from "@/api/session";
import { ButtonLink } from "@/components/button";
import { Mark } from "@/components/logo";
import { useTitle } from "@/components/page";
import { Picture } from "./picture";

const STEPS = [
  {
    picture: "choose",
    title: "Drop it",
    text: "A folder, a zip, loose files or a template. What should not go along stays at home: .git, node_modules, your .env.",
    alt: "The first step: a place to drop a folder, and four templates below it.",
  },
  {
    picture: "confirm",
    title: "See what was understood",
    text: "No manifest needed. Runtime, start command and variables are worked out, each with the file and line it came from. Change what you like.",
    alt: "The second step: start command and variables as they were inferred, ready to be changed.",
  },
  {
    picture: "agent",
    title: "Keep it in sight",
    text: "Logs, metrics, versions and deployments of each agent. A bad release goes back by itself; any earlier one is a click away.",
    alt: "An agent's page with its address, health, current version and small charts.",
  },
];

export function LandingPage() {
  useTitle("");
  const signedIn = useSession(({ state }) => state === "signed-in");
  return (
    <>
      <section className="on-hull boot-top relative -mt-[5px] bg-hull text-on-hull">
        <Draught />
        <div className="mx-auto grid max-w-[88rem] items-end gap-x-12 gap-y-10 px-5 pt-12 sm:px-10 sm:pt-16 lg:min-h-[min(40rem,calc(100svh-9.5rem))] lg:grid-cols-[minmax(0,4fr)_minmax(0,7fr)] lg:pt-10 xl:px-20">
          <div className="pb-2 lg:self-center lg:pb-24">
            <h1 className="text-3xl sm:text-4xl">
              Build it anywhere.
              <br />
              Launch it here.
            </h1>
            <p className="mt-5 max-w-md text-lg text-on-hull-2">
              Slipway deploys and runs AI agents. Give it the source; minutes later it answers at an
              address, scanned, tested and watched.
            </p>
            <div className="mt-8 flex flex-wrap items-center gap-3">
              <ButtonLink
                to={signedIn ? "/deploy" : "/sign-in?return_to=/deploy"}
                size="lg"
                icon={Anchor}
                variant="primary"
                className="bg-[#78c6ec]! text-[#06202d]! hover:bg-[#a3d9f4]!"
              >
                Launch an agent
              </ButtonLink>
              <ButtonLink
                to="/marketplace"
                size="lg"
                variant="quiet"
                className="text-on-hull! hover:bg-hull-2! max-sm:px-0"
              >
                See what others launched
              </ButtonLink>
            </div>
            <p className="stencil mt-10 text-on-hull-2">
              Python / Node.js / Rust / Pages / Dockerfiles
            </p>
          </div>
          <div className="relative z-10 -mb-12 lg:-mb-16">
            <Picture
              name="launch"
              first
              alt="An agent on its way: seven stations from upload to live, all passed, and the address it now answers at."
              className="shadow-float ring-1 ring-white/15"
            />
          </div>
        </div>
      </section>
      <section
        aria-label="How it goes"
        className="mx-auto w-full max-w-[88rem] px-5 pt-28 pb-16 sm:px-10 lg:pt-32 xl:px-20"
      >
        <ul className="grid gap-x-8 gap-y-12 md:grid-cols-3">
          {STEPS.map((step) => (
            <li key={step.picture} className="min-w-0">
              <Picture name={step.picture} alt={step.alt} className="border border-line" />
              <h2 className="mt-5 text-lg">{step.title}</h2>
              <p className="mt-1 max-w-sm text-sm text-ink-2">{step.text}</p>
            </li>
          ))}
        </ul>
      </section>
      <section className="border-t border-line">
        <div className="mx-auto grid w-full max-w-[88rem] gap-8 px-5 py-12 sm:grid-cols-3 sm:px-10 xl:px-20">
          <Fact title="Nothing while idle">
            The platform is serverless to the last part. While nobody deploys, it costs nothing.
          </Fact>
          <Fact title="A status that does not lie">
            What you read was confirmed by the host, seconds ago, or says when it last was.
          </Fact>
          <Fact title="Yours to run">
            The same platform runs on a laptop with one command, and on your own AWS account. MIT
            licence.
          </Fact>
        </div>
      </section>
      <footer className="on-hull mt-auto bg-hull text-on-hull-2">
        <div className="mx-auto flex max-w-[88rem] flex-wrap items-center gap-x-6 gap-y-2 px-5 py-6 text-sm sm:px-10 xl:px-20">
          <Mark className="size-6 text-on-hull" />
          <span>Slipway</span>
          <a href="/api/v1/openapi.json" className="ml-auto hover:text-on-hull hover:underline">
            API
          </a>
          <a href="/api/v1/agent.schema.json" className="hover:text-on-hull hover:underline">
            agent.yaml
          </a>
        </div>
      </footer>
    </>
  );
}

function Fact({ title, children }: { title: string; children: string }) {
  return (
    <div>
      <div className="draught-x mb-3 w-32 text-line-2" aria-hidden="true" />
      <h2 className="text-base">{title}</h2>
      <p className="mt-1 text-sm text-ink-2">{children}</p>
    </div>
  );
}

/** The figures painted on a hull to tell how deep it lies. */
function Draught() {
  return (
    <div
      aria-hidden="true"
      className="absolute inset-y-0 left-5 hidden flex-col justify-end gap-6 pb-4 text-on-hull-2 xl:flex"
    >
      {[12, 10, 8, 6, 4, 2].map((figure) => (
        <span key={figure} className="figures flex items-center gap-2">
          <span className="w-5 text-right text-sm font-[640] [font-stretch:120%]">{figure}</span>
          <span className="h-px w-3 bg-current" />
        </span>
      ))}
    </div>
  );
}
