/** No page has this address. */
import { ButtonLink } from "@/components/button";
import { Page } from "@/components/page";

export function NotFound() {
  return (
    <Page
      title="Nothing is moored here"
      width="narrow"
      lead="No page has this address. It may have been deleted, or the link is cut off."
    >
      <ButtonLink to="/" variant="primary">
        Go to the start page
      </ButtonLink>
    </Page>
  );
}
