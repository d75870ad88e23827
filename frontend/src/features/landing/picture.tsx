/** A picture of the product, taken by `make screenshots` in both themes. */
import { clsx } from "clsx";
import { useSyncExternalStore } from "react";
import { useTheme } from "@/components/theme";

const FILES = import.meta.glob<string>("./pictures/*.webp", {
  eager: true,
  query: "?url",
  import: "default",
});

const dark = matchMedia("(prefers-color-scheme: dark)");

function useDark(): boolean {
  const { theme } = useTheme();
  const system = useSyncExternalStore(
    (told) => {
      dark.addEventListener("change", told);
      return () => dark.removeEventListener("change", told);
    },
    () => dark.matches,
  );
  return theme === "system" ? system : theme === "dark";
}

export function Picture({
  name,
  alt,
  first = false,
  className,
}: {
  name: string;
  alt: string;
  /** In sight at once: fetched first. */
  first?: boolean;
  className?: string;
}) {
  const source = FILES[`./pictures/${name}-${useDark() ? "dark" : "light"}.webp`];
  return (
    <img
      src={source}
      alt={alt}
      width={1100}
      height={first ? 700 : 760}
      loading={first ? "eager" : "lazy"}
      fetchPriority={first ? "high" : "auto"}
      decoding="async"
      className={clsx("block h-auto w-full rounded-lg bg-sunk", className)}
    />
  );
}
