/** Knows the organisation whose page this is, for the parts of the page. */
import { useOutletContext } from "react-router";
import type { Organisation } from "@/api/types";

export function useThisOrganisation(): Organisation {
  return useOutletContext<Organisation>();
}
