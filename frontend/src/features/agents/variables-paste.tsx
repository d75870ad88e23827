/** Takes over the lines of a .env file. */
import { useState } from "react";
import { Button } from "@/components/button";
import { Dialog } from "@/components/dialog";
import { parseEnv, soundsSecret } from "@/components/dotenv";
import { TextArea } from "@/components/field";

export function PasteDialog({
  onClose,
  onTake,
}: {
  onClose: () => void;
  /** How many variables were in it. */
  onTake: (text: string) => number;
}) {
  const [text, setText] = useState("");
  const found = parseEnv(text);
  const secrets = [...found.keys()].filter(soundsSecret).length;
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Paste a .env file"
      description="Values of the same name are replaced, others stay. Nothing is saved before you say so."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            variant="primary"
            disabled={found.size === 0}
            onClick={() => {
              onTake(text);
              onClose();
            }}
          >
            Fill in
          </Button>
        </>
      }
    >
      <TextArea
        label="Its lines"
        value={text}
        rows={9}
        spellCheck={false}
        autoComplete="off"
        placeholder={"API_URL=https://example.org\nAPI_KEY=…"}
        className="font-mono"
        onChange={(event) => setText(event.target.value)}
        error={
          text.trim() !== "" && found.size === 0
            ? "No line of the form NAME=value is in it."
            : undefined
        }
      />
      <p role="status" className="mt-2 text-sm text-ink-2">
        {found.size === 0
          ? "\u00a0"
          : `${found.size} ${found.size === 1 ? "variable" : "variables"}, ${secrets} of them secret by ${secrets === 1 ? "its name" : "their names"}.`}
      </p>
    </Dialog>
  );
}
