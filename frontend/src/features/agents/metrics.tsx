/** CPU, memory, traffic and requests over time, with deployments and restarts marked. */

import { useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { clsx } from "clsx";
import { useState } from "react";
import { deploymentsQuery, eventsQuery } from "@/api/deployments";
import { metricsQuery, RANGES, type Range } from "@/api/metrics";
import type { AgentDetail, Deployment } from "@/api/types";
import { Button, ButtonLink } from "@/components/button";
import { Chart, ChartTable, type Mark, type Series } from "@/components/chart";
import { Empty } from "@/components/empty";
import { SelectField } from "@/components/field";
import { useLogTaste } from "@/components/log-state";
import { Plate } from "@/components/page";
import { QueryView } from "@/components/query-view";
import { Loading } from "@/components/skeleton";
import { Exact } from "@/components/time";
import { useSearch } from "@/components/use-search";
import { useAgent } from "./agent";
import { count, type Measures, percent, readMetrics, size } from "./measures";
import { ChartsOutline } from "./part-outline";

const LABELS: Record<Range, string> = {
  "1h": "1 hour",
  "6h": "6 hours",
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
};

export function Metrics() {
  const agent = useAgent();
  const [search, setSearch] = useSearch();
  const list = useInfiniteQuery(deploymentsQuery(agent.id));
  const deployments = list.data?.pages.flatMap((page) => page.items) ?? [];
  const environments = (agent.environments ?? []).map(({ name }) => name);
  const environment = search.get("environment") ?? environments[0] ?? "production";
  const asked = search.get("range") ?? "";
  const range: Range = asked in RANGES ? (asked as Range) : "1h";
  const place = agent.environments?.find(({ name }) => name === environment);
  const here = deployments.filter((one) => one.environment === environment);
  // The host measures the service, which outlives its deployments: any that was live will do.
  const measured = place?.serving ?? here.find((one) => one.timings.live !== undefined)?.id;
  const choose = (name: string, value: string) =>
    setSearch(
      (before) => {
        before.set(name, value);
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  if (!measured && list.isSuccess) {
    return (
      <Plate flush>
        <Empty
          title="Nothing measured yet"
          action={
            <ButtonLink to={`/agents/${agent.id}/deploy`} variant="primary">
              Deploy a version
            </ButtonLink>
          }
        >
          From the moment it is live, its processor, memory and requests are drawn here.
        </Empty>
      </Plate>
    );
  }
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <fieldset className="flex flex-wrap rounded border border-line bg-plate p-0.5">
          <legend className="sr-only">How far back</legend>
          {(Object.keys(RANGES) as Range[]).map((one) => (
            <label
              key={one}
              className={clsx(
                "cursor-pointer rounded-sm px-3 py-1 text-sm has-focus-visible:outline-2 has-focus-visible:outline-sea",
                one === range ? "bg-sea font-[560] text-on-sea" : "text-ink-2 hover:bg-sunk",
              )}
            >
              <input
                type="radio"
                name="range"
                value={one}
                checked={one === range}
                onChange={() => choose("range", one)}
                className="sr-only"
              />
              {LABELS[one]}
            </label>
          ))}
        </fieldset>
        {environments.length > 1 ? (
          <SelectField
            label="Environment"
            hideLabel
            value={environment}
            onChange={(event) => choose("environment", event.target.value)}
          >
            {environments.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </SelectField>
        ) : null}
      </div>
      {measured ? (
        <Charts agent={agent} deploymentId={measured} range={range} here={here} />
      ) : (
        <Drawing />
      )}
    </div>
  );
}

function Charts({
  deploymentId,
  range,
  here,
}: {
  agent: AgentDetail;
  deploymentId: string;
  range: Range;
  here: Deployment[];
}) {
  const query = useQuery({ ...metricsQuery(deploymentId, range), refetchInterval: 30_000 });
  const from = Date.now() - RANGES[range];
  const recent = here.filter((one) => Date.parse(one.updated_at) >= from).slice(0, 12);
  const events = useQueries({
    queries: recent.map((one) => eventsQuery(one.id, one.revision)),
    combine: (read) =>
      read.flatMap((one, index) =>
        (one.data?.items ?? []).map((event) => ({
          ...event,
          version: recent[index]?.version_number ?? 0,
        })),
      ),
  });
  const marks: Mark[] = events.flatMap(({ event, at, version }) => {
    const word = MARKED[event];
    if (!word) return [];
    const tone = event === "crashed" ? ("failed" as const) : ("plain" as const);
    return [{ at: Date.parse(at), label: `Version ${version} ${word}`, tone }];
  });
  return (
    <QueryView query={query} loading={<Drawing />}>
      {({ series, start, end }) => (
        <Drawn measures={readMetrics(series)} {...{ start, end, marks }} />
      )}
    </QueryView>
  );
}

const MARKED: Record<string, string> = {
  verified: "live",
  restarted: "restarted",
  crashed: "crashed",
  recovered: "runs again",
  stopped: "stopped",
};

function Drawn({
  measures,
  start,
  end,
  marks,
}: {
  measures: Measures;
  start: number;
  end: number;
  marks: Mark[];
}) {
  const { cpu, memory, received, sent, requests } = measures;
  const frame = { start, end, marks };
  const restarts = marks.filter(({ label }) => /restarted|crashed|again/.test(label));
  return (
    <div className="grid gap-5 lg:grid-cols-2">
      <ChartPlate
        title="CPU"
        unit="of a core"
        series={[{ name: "cpu", label: "CPU", tone: "sea", points: cpu.points }]}
        format={percent}
        {...frame}
      />
      <ChartPlate
        title="Memory"
        series={[{ name: "memory", label: "Memory", tone: "magenta", points: memory.points }]}
        format={size}
        {...frame}
      />
      <ChartPlate
        title="Requests"
        unit="by status"
        series={requests}
        format={count}
        stacked
        {...frame}
      />
      <ChartPlate
        title="Network"
        series={[
          { name: "sent", label: sent.label, tone: "cyan", points: sent.points },
          { name: "received", label: received.label, tone: "grey", points: received.points },
        ]}
        format={size}
        {...frame}
      />
      <Plate
        title="Restarts and deployments"
        note={`${restarts.length} restarts`}
        flush
        className="lg:col-span-2"
      >
        {marks.length === 0 ? (
          <p className="px-4 py-4 text-sm text-ink-2">
            Nothing was deployed or restarted in this time.
          </p>
        ) : (
          <ol className="max-h-64 divide-y divide-line overflow-y-auto">
            {[...marks]
              .sort((a, b) => b.at - a.at)
              .map((mark) => (
                <li
                  key={`${mark.at} ${mark.label}`}
                  className="flex items-center gap-3 px-4 py-2 text-sm"
                >
                  <svg
                    viewBox="0 0 8 6"
                    aria-hidden="true"
                    className={clsx("w-2", mark.tone === "failed" ? "text-port" : "text-oxide")}
                  >
                    <path d="M0 0h8L4 6z" fill="currentColor" />
                  </svg>
                  {mark.label}
                  <Exact
                    at={new Date(mark.at).toISOString()}
                    className="figures ml-auto text-xs text-ink-3"
                  />
                </li>
              ))}
          </ol>
        )}
      </Plate>
    </div>
  );
}

function ChartPlate({
  title,
  unit,
  series,
  format,
  ...frame
}: {
  title: string;
  unit?: string;
  series: Series[];
  format: (value: number) => string;
  start: number;
  end: number;
  marks: Mark[];
  stacked?: boolean;
}) {
  const [table, setTable] = useState(false);
  const { utc } = useLogTaste();
  const some = series.some(({ points }) => points.length > 0);
  return (
    <Plate
      title={title}
      note={unit}
      actions={
        some ? (
          <Button
            size="sm"
            variant="quiet"
            aria-pressed={table}
            aria-label={`${title} as a table`}
            onClick={() => setTable(!table)}
          >
            {table ? "Chart" : "Table"}
          </Button>
        ) : null
      }
    >
      {!some ? (
        <p className="flex h-[13rem] items-center justify-center text-sm text-ink-3">
          Nothing was measured in this time.
        </p>
      ) : table ? (
        <ChartTable title={title} series={series} format={format} utc={utc} />
      ) : (
        <Chart title={title} series={series} format={format} utc={utc} {...frame} />
      )}
    </Plate>
  );
}

function Drawing() {
  return (
    <Loading what="Reading what was measured">
      <ChartsOutline />
    </Loading>
  );
}
