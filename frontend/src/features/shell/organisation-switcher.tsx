/** Where the person works: their own organisation, or one they are a member of. */
import { useQuery } from "@tanstack/react-query";
import { meQuery } from "@/api/account";

export function OrganisationSwitcher() {
  const { data } = useQuery(meQuery);
  return (
    <span className="hidden max-w-40 truncate border-l border-white/15 pl-3 text-sm text-on-hull-2 lg:block">
      {data?.organisation.name ?? ""}
    </span>
  );
}
