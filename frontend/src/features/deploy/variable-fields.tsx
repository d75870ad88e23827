/** The variables a source asks for, to be filled in before its first start. */
import { Plus, Trash2 } from "lucide-react";
import type { Variables } from "@/api/types";
import { Button, IconButton } from "@/components/button";
import { TextField } from "@/components/field";
import { Plate } from "@/components/page";

export interface Entered {
  id: string;
  name: string;
  value: string;
  secret: boolean;
  required: boolean;
  description: string;
  fallback: string;
  /** Added by hand: its name can be typed. */
  own?: boolean;
}

export function VariableFields({
  entered,
  existing,
  onChange,
}: {
  entered: Entered[];
  existing: Variables["items"];
  onChange: (next: Entered[]) => void;
}) {
  const change = (index: number, part: Partial<Entered>) =>
    onChange(entered.map((one, at) => (at === index ? { ...one, ...part } : one)));
  return (
    <Plate
      title="Variables"
      note="of production"
      actions={
        <Button
          size="sm"
          icon={Plus}
          onClick={() =>
            onChange([
              ...entered,
              {
                id: crypto.randomUUID(),
                name: "",
                value: "",
                secret: true,
                required: false,
                description: "",
                fallback: "",
                own: true,
              },
            ])
          }
        >
          Add
        </Button>
      }
    >
      {entered.length === 0 ? (
        <p className="text-sm text-ink-2">
          The source names none. What it needs can be set here or later.
        </p>
      ) : (
        <ul className="space-y-4">
          {entered.map((one, index) => {
            const set = existing.find((item) => item.name === one.name);
            return (
              <li
                key={one.id}
                className="grid grid-cols-[minmax(0,1fr)_auto] items-end gap-x-3 gap-y-2"
              >
                {one.own ? (
                  <TextField
                    label="Name"
                    className="font-mono"
                    spellCheck={false}
                    autoCapitalize="off"
                    value={one.name}
                    pattern="[A-Za-z_][A-Za-z0-9_]*"
                    onChange={(event) => change(index, { name: event.target.value })}
                  />
                ) : null}
                <div className={one.own ? "col-start-1" : undefined}>
                  <TextField
                    label={
                      one.own ? (
                        "Value"
                      ) : (
                        <>
                          <code>{one.name}</code>
                          {one.required ? <span className="text-port"> needed</span> : null}
                        </>
                      )
                    }
                    type={one.secret ? "password" : "text"}
                    autoComplete="off"
                    className="font-mono"
                    spellCheck={false}
                    hint={one.description || undefined}
                    placeholder={set ? "set already; leave empty to keep it" : one.fallback}
                    value={one.value}
                    onChange={(event) => change(index, { value: event.target.value })}
                  />
                </div>
                <div className="flex h-9 items-center gap-2">
                  <label className="flex items-center gap-1.5 text-sm">
                    <input
                      type="checkbox"
                      className="size-4 accent-sea"
                      checked={one.secret}
                      onChange={(event) => change(index, { secret: event.target.checked })}
                    />
                    Secret
                  </label>
                  {one.own ? (
                    <IconButton
                      icon={Trash2}
                      size="sm"
                      label={`Remove ${one.name || "this variable"}`}
                      onClick={() => onChange(entered.filter((_, at) => at !== index))}
                    />
                  ) : null}
                </div>
              </li>
            );
          })}
        </ul>
      )}
    </Plate>
  );
}
