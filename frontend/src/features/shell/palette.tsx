/** Find an agent or do something, by typing a part of its name. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Command } from "cmdk";
import { CornerDownLeft } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useNavigate } from "react-router";
import { agentsQuery } from "@/api/agents";
import { useSession } from "@/api/session";
import { type Command as Offered, useCommands } from "@/components/commands";
import { runtimeName } from "@/components/runtime";
import { Keys } from "./keys";
import { usePanels } from "./shell-commands";

const ORDER = ["This page", "Do", "Go to", "Appearance"] as const;
const ITEM =
  "flex cursor-pointer items-center gap-3 rounded-sm px-3 py-2 text-sm data-[selected=true]:bg-sunk";
const GROUP =
  "px-2 [&_[cmdk-group-heading]]:stencil [&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:pt-3 [&_[cmdk-group-heading]]:pb-1.5 [&_[cmdk-group-heading]]:text-ink-3";

export function Palette() {
  const commands = useCommands(({ items }) => items);
  const signedIn = useSession(({ state }) => state === "signed-in");
  const agents = useInfiniteQuery({ ...agentsQuery, enabled: signedIn });
  const navigate = useNavigate();
  const close = () => usePanels.setState({ palette: false });
  const choose = (run: () => void) => {
    close();
    run();
  };
  return (
    <Radix.Root open onOpenChange={(open) => usePanels.setState({ palette: open })}>
      <Radix.Portal>
        <Radix.Overlay data-veil className="fixed inset-0 z-40 animate-fade bg-[#05141e]/60" />
        <Radix.Content
          aria-describedby={undefined}
          className="fixed inset-x-3 top-[10vh] z-50 mx-auto max-w-xl animate-rise overflow-hidden rounded-lg bg-raised shadow-float ring-1 ring-line outline-none"
        >
          <Radix.Title className="sr-only">Find or do</Radix.Title>
          <Command label="Find or do" loop>
            <Command.Input
              placeholder="Name of an agent, or what you want to do"
              className="h-13 w-full border-b border-line bg-transparent px-5 text-base outline-none"
            />
            <Command.List className="max-h-[min(24rem,55vh)] overflow-y-auto pb-2">
              <Command.Empty className="px-5 py-8 text-center text-sm text-ink-2">
                Nothing is called that.
              </Command.Empty>
              <Command.Group heading="Agents" className={GROUP}>
                {agents.data?.pages
                  .flatMap((page) => page.items)
                  .map((agent) => (
                    <Command.Item
                      key={agent.id}
                      value={`${agent.name} ${agent.slug} ${agent.id}`}
                      onSelect={() => choose(() => navigate(`/agents/${agent.id}`))}
                      className={ITEM}
                    >
                      <span className="min-w-0 flex-1 truncate">{agent.name}</span>
                      <span className="text-xs text-ink-3">{runtimeName(agent.runtime)}</span>
                      <CornerDownLeft size={14} aria-hidden="true" className="text-ink-3" />
                    </Command.Item>
                  ))}
              </Command.Group>
              {ORDER.map((group) => (
                <Group key={group} name={group} commands={commands} choose={choose} />
              ))}
            </Command.List>
          </Command>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function Group({
  name,
  commands,
  choose,
}: {
  name: Offered["group"];
  commands: Offered[];
  choose: (run: () => void) => void;
}) {
  const items = commands.filter((command) => command.group === name && command.id !== "palette");
  if (items.length === 0) return null;
  return (
    <Command.Group heading={name} className={GROUP}>
      {items.map((command) => (
        <Command.Item
          key={command.id}
          value={`${command.title} ${command.also ?? ""} ${command.id}`}
          onSelect={() => choose(command.run)}
          className={ITEM}
        >
          <span className="min-w-0 flex-1 truncate">{command.title}</span>
          {command.keys ? <Keys keys={command.keys} /> : null}
        </Command.Item>
      ))}
    </Command.Group>
  );
}
