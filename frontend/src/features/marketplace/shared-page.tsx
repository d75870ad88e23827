/** An agent that is not public: shown by one's organisation, by somebody else, or by a secret link. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { EyeOff } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation, useNavigate, useParams } from "react-router";
import { ApiProblem } from "@/api/problem";
import { refresh, useSession, wasSignedIn } from "@/api/session";
import {
  declineShared,
  linkedQuery,
  lookUpLinked,
  lookUpShared,
  readLinkedPage,
  readSharedPage,
  sharedOfferQuery,
  shareKeys,
} from "@/api/sharing";
import type { SharedOffer } from "@/api/types";
import { Button } from "@/components/button";
import { Page } from "@/components/page";
import { Problem } from "@/components/problem";
import { Ago } from "@/components/time";
import { toast } from "@/components/toast";
import { keptToken } from "./link-token";
import { About, AwaitedOffer, Checked, CRUMBS, Gone, NotShared, OfferFrame } from "./offer-frame";
import { Inputs, type Place, Reading, Screenshots, Versions } from "./offer-parts";

const SHOWN: Record<SharedOffer["shown_by"], string> = {
  member: "Shown to members of your organisation only",
  organisation: "Shared with your organisation",
  person: "Shared with you",
  link: "Shared with whoever holds this link",
};

export function SharedPage() {
  const { offerId = "" } = useParams();
  const query = useQuery(sharedOfferQuery(offerId));
  const place: Place = {
    key: [...shareKeys.shown, offerId],
    readPage: (path, signal) => readSharedPage(offerId, path, signal),
    lookUp: (q, signal) => lookUpShared(offerId, q, signal),
  };
  if (query.data) {
    return <Told offer={query.data} place={place} copyAt={`/marketplace/shared/${offerId}/copy`} />;
  }
  return <Missing error={query.error} retry={() => query.refetch()} />;
}

export function LinkedPage() {
  const { hash } = useLocation();
  const [token] = useState(() => keptToken(hash));
  const { state } = useSession();
  useEffect(() => {
    if (state === "unknown" && wasSignedIn()) refresh().catch(() => undefined);
  }, [state]);
  const query = useQuery({ ...linkedQuery(token), enabled: token !== "" });
  const place: Place = {
    key: [...shareKeys.shown, "link", token],
    readPage: (path, signal) => readLinkedPage(token, path, signal),
    lookUp: (q, signal) => lookUpLinked(token, q, signal),
  };
  if (query.data) return <Told offer={query.data} place={place} copyAt="/shared/copy" />;
  if (token === "") {
    return (
      <Gone title="Incomplete link" heading="A part of the link is missing">
        Open the whole link, or ask whoever gave it to you for it again.
      </Gone>
    );
  }
  return <Missing error={query.error} retry={() => query.refetch()} />;
}

function Missing({ error, retry }: { error: Error | null; retry: () => void }) {
  if (!error) return <AwaitedOffer title="Shared agent" />;
  if (error instanceof ApiProblem && error.status === 404) return <NotShared />;
  return (
    <Page title="Shared agent" crumbs={CRUMBS}>
      <Problem error={error} retry={retry} />
    </Page>
  );
}

/** Nobody has to be shown what others share with them. */
function Decline({ offerId }: { offerId: string }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const decline = useMutation({
    mutationFn: () => declineShared(offerId),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: shareKeys.shown });
      toast.done("You are shown it no longer");
      navigate("/marketplace", { replace: true });
    },
    onError: (error) => toast.failed(error),
  });
  return (
    <Button
      variant="quiet"
      size="sm"
      icon={EyeOff}
      busy={decline.isPending}
      onClick={() => decline.mutate()}
    >
      Stop showing me this
    </Button>
  );
}

function Told({ offer, place, copyAt }: { offer: SharedOffer; place: Place; copyAt: string }) {
  return (
    <OfferFrame
      offer={offer}
      copyAt={copyAt}
      above={
        <p className="mb-5 rounded border-l-4 border-l-sea bg-sunk px-3 py-2 text-sm">
          {SHOWN[offer.shown_by]}; it is not in the public marketplace.
        </p>
      }
      aside={
        <>
          <About offer={offer} after={[["Newest", <Ago key="n" at={offer.refreshed_at} />]]} />
          <Checked
            title="Checked before sharing"
            checks={["Built by Slipway from its source", "Scan found nothing serious"]}
          />
          {offer.shown_by === "person" ? <Decline offerId={offer.offer_id} /> : null}
        </>
      }
    >
      <Screenshots shots={offer.screenshots} name={offer.name} />
      <Reading offer={offer} place={place} />
      <Inputs offer={offer} />
      <Versions offer={offer} />
    </OfferFrame>
  );
}
