/** The variables an agent asks for, as fields: what is needed, what for, and what holds without. */
import { TextField } from "./field";

interface Input {
  name: string;
  description: string;
  required: boolean;
  secret: boolean;
  default?: string | null;
}

export function InputFields({
  inputs,
  values,
  fault,
  onChange,
}: {
  inputs: Input[];
  values: Record<string, string>;
  /** What is wrong with the value of a name. */
  fault: (name: string) => string | undefined;
  onChange: (name: string, value: string) => void;
}) {
  return (
    <div className="space-y-4">
      {inputs.map((one) => (
        <TextField
          key={one.name}
          label={<code className="break-all">{one.name}</code>}
          optional={!one.required}
          required={one.required}
          type={one.secret ? "password" : "text"}
          hint={one.description || undefined}
          error={fault(one.name)}
          placeholder={one.default ?? undefined}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          className="font-mono"
          value={values[one.name] ?? ""}
          onChange={(event) => onChange(one.name, event.target.value)}
        />
      ))}
    </div>
  );
}

/** Only what was typed: an empty field leaves a variable as it is. */
export function typedIn(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}
