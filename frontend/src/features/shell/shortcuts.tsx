/** The list of keyboard shortcuts, of this page and of all. */
import { useCommands } from "@/components/commands";
import { Dialog } from "@/components/dialog";
import { CheckField } from "@/components/field";
import { Keys } from "./keys";
import { usePanels } from "./shell-commands";
import { useSingleKeys } from "./shortcut-keys";

export function Shortcuts() {
  const commands = useCommands(({ items }) => items);
  const { on } = useSingleKeys();
  const groups = Map.groupBy(
    commands.filter((command) => command.keys),
    (command) => command.group,
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => usePanels.setState({ shortcuts: open })}
      title="Keyboard shortcuts"
    >
      <div className="space-y-5 pb-2">
        {[...groups].map(([group, items]) => (
          <section key={group}>
            <h3 className="stencil mb-1 text-ink-3">{group}</h3>
            <dl className="divide-y divide-line">
              {items.map((command) => (
                <div key={command.id} className="flex items-center justify-between py-1.5 text-sm">
                  <dt>{command.title}</dt>
                  <dd>
                    <Keys keys={command.keys ?? ""} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <CheckField
          label="Single-key shortcuts"
          hint="Switch these off if you speak to your computer; those with Ctrl or ⌘ stay."
          checked={on}
          onChange={(event) => useSingleKeys.setState({ on: event.target.checked })}
        />
      </div>
    </Dialog>
  );
}
