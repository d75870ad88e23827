/** Making an organisation: a name, and one is in it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { newIdempotencyKey } from "@/api/client";
import { useOrganisation } from "@/api/organisation";
import { createOrganisation, organisationKeys } from "@/api/organisations";
import { asProblem } from "@/api/problem";
import { Button, ButtonLink } from "@/components/button";
import { TextField } from "@/components/field";
import { Page, Plate } from "@/components/page";
import { Problem } from "@/components/problem";
import { toast } from "@/components/toast";

export function CreatePage() {
  const [name, setName] = useState("");
  const [asked, setAsked] = useState(false);
  // One intention, one organisation, however often it is sent; another name is another one.
  const [key, setKey] = useState(newIdempotencyKey);
  const { choose } = useOrganisation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const create = useMutation({
    mutationFn: () => createOrganisation(name.trim(), key),
    onSuccess: (made) => {
      void client.invalidateQueries({ queryKey: organisationKeys.all });
      choose(made.id);
      toast.done(`${made.name} is ready`, { detail: "You are its owner, and work in it now." });
      navigate("/organisation");
    },
  });
  const problem = create.error ? asProblem(create.error) : undefined;
  const missing = asked && name.trim() === "" ? "An organisation needs a name." : undefined;
  return (
    <Page
      title="New organisation"
      lead="A place to work on agents with others: members with roles, agents and tokens of its own."
      width="narrow"
    >
      <Plate>
        <form
          noValidate
          className="space-y-5"
          onSubmit={(event) => {
            event.preventDefault();
            setAsked(true);
            if (name.trim() !== "" && !create.isPending) create.mutate();
          }}
        >
          <TextField
            label="Name"
            value={name}
            maxLength={80}
            autoComplete="organization"
            placeholder="Harbour Office"
            hint="People see it in invitations. You can change it later."
            error={missing ?? problem?.field("name")}
            onChange={(event) => {
              setName(event.target.value);
              setKey(newIdempotencyKey());
              if (create.error) create.reset();
            }}
          />
          {problem?.beside("name") ? <Problem compact error={problem} /> : null}
          <div className="flex justify-end gap-2">
            <ButtonLink to="/organisation" variant="quiet">
              Not now
            </ButtonLink>
            <Button type="submit" variant="primary" busy={create.isPending}>
              Create organisation
            </Button>
          </div>
        </form>
      </Plate>
    </Page>
  );
}
