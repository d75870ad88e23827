/** A picture of the product, taken by `make screenshots` in both themes. */
import { clsx } from "clsx";
import { useTheme } from "@/components/theme";

const FILES = import.meta.glob<string>("./pictures/*.webp", {
  eager: true,
  query: "?url",
  import: "default",
});

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
  const { theme } = useTheme();
  const [light, dark] = ["light", "dark"].map((one) => FILES[`./pictures/${name}-${one}.webp`]);
  return (
    <picture>
      {theme === "system" ? <source media="(prefers-color-scheme: dark)" srcSet={dark} /> : null}
      <img
        src={theme === "dark" ? dark : light}
        alt={alt}
        width={1100}
        height={first ? 700 : 760}
        loading={first ? "eager" : "lazy"}
        fetchPriority={first ? "high" : "auto"}
        decoding={first ? "sync" : "async"}
        className={clsx("block h-auto w-full rounded-lg bg-sunk", className)}
      />
    </picture>
  );
}
