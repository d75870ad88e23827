/** Making a copy of an agent that is shared, by somebody or by a secret link. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useParams } from "react-router";
import { linkedQuery, makeSharedCopy, sharedOfferQuery, shareKeys } from "@/api/sharing";
import { CopyFrame } from "./copy-page";
import { keptToken } from "./link-token";
import { NotShared } from "./offer-frame";

export function SharedCopyPage() {
  const { offerId = "" } = useParams();
  const query = useQuery(sharedOfferQuery(offerId));
  return (
    <CopyFrame
      query={query}
      back={`/marketplace/shared/${offerId}`}
      stale={[...shareKeys.shown, offerId]}
      gone={<NotShared />}
      make={(order, key) => makeSharedCopy({ ...order, offer_id: offerId }, key)}
    />
  );
}

export function LinkedCopyPage() {
  const [token] = useState(() => keptToken());
  const query = useQuery(linkedQuery(token));
  return (
    <CopyFrame
      query={query}
      back="/shared"
      stale={[...shareKeys.shown, "link", token]}
      gone={<NotShared />}
      make={(order, key) => makeSharedCopy({ ...order, token }, key)}
    />
  );
}
