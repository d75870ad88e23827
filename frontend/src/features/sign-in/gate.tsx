/** The frame of the pages before the door. */
import { type ReactNode, useEffect, useRef } from "react";
import { useTitle } from "@/components/page";

export function Gate({
  title,
  lead,
  children,
}: {
  title: string;
  lead?: string;
  children: ReactNode;
}) {
  useTitle(title);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <div className="mx-auto flex w-full max-w-md flex-col px-4 pt-[7vh] pb-20">
      <h1 ref={heading} tabIndex={-1} className="text-2xl">
        {title}
      </h1>
      {lead ? <p className="mt-1.5 text-ink-2">{lead}</p> : null}
      <div className="draught-x mt-5 mb-5 text-line-2" />
      <div className="plate p-6">{children}</div>
    </div>
  );
}
