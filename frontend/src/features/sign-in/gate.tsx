/** The frame of the pages before the door. */
import { type ReactNode, useEffect, useRef } from "react";
import { useTitle } from "@/components/page";

export function Gate({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <div className="mx-auto flex w-full max-w-md flex-col px-4 pt-[8vh] pb-20">
      <h1 ref={heading} tabIndex={-1} className="mb-5 text-2xl">
        {title}
      </h1>
      <div className="plate p-6">{children}</div>
    </div>
  );
}
