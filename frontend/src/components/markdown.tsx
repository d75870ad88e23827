/**
 * Shows Markdown that a stranger wrote. HTML in it is left out, and what remains goes through a
 * schema without script, style, form or event handler, and no address but https or a place here.
 * Pictures of other hosts become links: looking at a README tells nobody who looks.
 */
import { type ComponentProps, createContext, useContext } from "react";
import ReactMarkdown, { type Components, type ExtraProps } from "react-markdown";
import { Link } from "react-router";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";
import { CodeBlock } from "./copy";

const SCHEMA = {
  ...defaultSchema,
  tagNames: (defaultSchema.tagNames ?? []).filter(
    (name) => !["details", "picture", "source", "summary"].includes(name),
  ),
  protocols: { href: ["https"], src: ["https"] },
};

/** Where an address of the text leads: on this site, outside, or nowhere. */
export type Resolve = (address: string) => string | null;

type Element = NonNullable<ExtraProps["node"]>;

function textOf(node: Element | undefined): string {
  if (!node) return "";
  return node.children
    .map((child) =>
      child.type === "text" ? child.value : child.type === "element" ? textOf(child) : "",
    )
    .join("");
}

/** A heading below those of the page it stands on; levels in between are not left out. */
function heading(level: 3 | 4 | 5) {
  const Tag = `h${level}` as const;
  const look = { 3: "mt-7 mb-2 text-xl", 4: "mt-6 mb-2 text-lg", 5: "mt-5 mb-1.5 text-base" }[
    level
  ];
  return ({ children, id }: ComponentProps<"h3">) => (
    <Tag id={id} className={`${look} font-[620] break-words first:mt-0`}>
      {children}
    </Tag>
  );
}

const H3 = heading(3);
const H4 = heading(4);
const H5 = heading(5);

const NOWHERE: Resolve = () => null;
const Leading = createContext<Resolve>(NOWHERE);

function Anchor({ href, children }: ComponentProps<"a">) {
  const resolve = useContext(Leading);
  if (href?.startsWith("https://")) {
    return (
      <a
        href={href}
        target="_blank"
        rel="noopener noreferrer nofollow ugc"
        className="break-words text-sea underline"
      >
        {children}
      </a>
    );
  }
  const to = href && !href.startsWith("#") && !href.startsWith("//") ? resolve(href) : null;
  return to ? (
    <Link to={to} preventScrollReset className="text-sea underline">
      {children}
    </Link>
  ) : (
    <span>{children}</span>
  );
}

const PARTS: Components = {
  h1: H3,
  h2: H4,
  h3: H5,
  h4: H5,
  h5: H5,
  h6: H5,
  a: Anchor,
  img: ({ src, alt }) => (
    <Anchor href={typeof src === "string" ? src : undefined}>
      {alt ? `Picture: ${alt}` : "Picture"}
    </Anchor>
  ),
  p: ({ children }) => <p className="my-3 break-words">{children}</p>,
  ul: ({ children }) => <ul className="my-3 list-disc space-y-1 pl-5">{children}</ul>,
  ol: ({ children, start }) => (
    <ol start={start} className="my-3 list-decimal space-y-1 pl-6">
      {children}
    </ol>
  ),
  li: ({ children }) => <li className="break-words">{children}</li>,
  input: ({ checked }) => (
    <span>
      <span aria-hidden="true">{checked ? "☑ " : "☐ "}</span>
      <span className="sr-only">{checked ? "Done: " : "To do: "}</span>
    </span>
  ),
  blockquote: ({ children }) => (
    <blockquote className="my-3 border-l-2 border-line-2 pl-4 text-ink-2">{children}</blockquote>
  ),
  hr: () => <hr className="my-6 border-line" />,
  pre: ({ node }) => (
    <CodeBlock text={textOf(node).replace(/\n$/, "")} label="Copy the code" className="my-3" />
  ),
  code: ({ children }) => (
    <code className="rounded-sm bg-sunk px-1 py-0.5 break-words">{children}</code>
  ),
  table: ({ children }) => (
    // Of a page's many tables none is a landmark.
    // biome-ignore-start lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    // biome-ignore-start lint/a11y/useSemanticElements: no fields are grouped here
    <div role="group" tabIndex={0} aria-label="Table" className="my-3 overflow-x-auto">
      <table className="min-w-full text-sm [&_td]:border-t [&_td]:border-line [&_td]:py-1.5 [&_td]:pr-4 [&_td]:align-top [&_th]:py-1.5 [&_th]:pr-4 [&_th]:text-left [&_th]:font-[620]">
        {children}
      </table>
    </div>
    // biome-ignore-end lint/a11y/noNoninteractiveTabindex: as above
    // biome-ignore-end lint/a11y/useSemanticElements: as above
  ),
};

export function Markdown({ text, resolve = NOWHERE }: { text: string; resolve?: Resolve }) {
  return (
    <Leading value={resolve}>
      <div className="[&>:first-child]:mt-0 [&>:last-child]:mb-0">
        <ReactMarkdown
          remarkPlugins={[remarkGfm]}
          rehypePlugins={[[rehypeSanitize, SCHEMA]]}
          skipHtml
          components={PARTS}
        >
          {text}
        </ReactMarkdown>
      </div>
    </Leading>
  );
}
