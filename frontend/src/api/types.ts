/** The nouns of the API, under the names people use; their shapes are the generated ones. */
import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type ListedAgent = Schemas["ListedAgent"];
export type AgentDetail = Schemas["AgentDetail"];
export type Version = Schemas["VersionView"];
export type VersionState = Schemas["VersionState"];
export type CreatedVersion = Schemas["CreatedVersion"];
export type Deployment = Schemas["DeploymentView"];
export type DeploymentState = Schemas["DeploymentState"];
export type Reason = Schemas["ReasonView"];
export type LogLine = Schemas["LogLineView"];
export type DeploymentEvent = Schemas["EventView"];
export type DeployedVariable = Schemas["DeployedVariableView"];
export type Environment = Schemas["AgentEnvironmentView"];
export type Template = Schemas["TemplateView"];
export type Variables = Schemas["VariablesView"];
export type Category = Schemas["Category"];
export type Visibility = Schemas["Visibility"];
export type Role = Schemas["Role"];
export type Action = Schemas["Action"];
export type Scope = Schemas["Scope"];
export type Organisation = Schemas["OrganisationDetail"];
export type Member = Schemas["MemberView"];
export type Invitation = Schemas["InvitationView"];
export type OwnSession = Schemas["OwnSession"];
export type Identity = Schemas["IdentityView"];
export type Token = Schemas["TokenView"];
export type CreatedToken = Schemas["CreatedToken"];
export type AuditRecord = Schemas["AuditView"];
export type Card = Schemas["CardView"];
export type Offer = Schemas["OfferView"];
export type Review = Schemas["ReviewView"];
export type ReportReason = Schemas["ReportReason"];
export type Listing = Schemas["DraftView"];
export type Update = Schemas["UpdateView"];
