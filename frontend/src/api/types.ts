/** The nouns of the API, under the names people use; their shapes are the generated ones. */
import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type Agent = Schemas["AgentView"];
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
export type Environment = Schemas["EnvironmentView"];
export type Variable = Schemas["VariableView"];
export type Template = Schemas["TemplateView"];
export type Variables = Schemas["VariablesView"];
export type Category = Schemas["Category"];
export type Runtime = Schemas["Runtime"];
export type Visibility = Schemas["Visibility"];
export type Role = Schemas["Role"];
export type Card = Schemas["CardView"];
export type Offer = Schemas["OfferView"];
export type OfferInput = Schemas["InputView"];
export type Review = Schemas["ReviewView"];
export type ReportReason = Schemas["ReportReason"];
export type Listing = Schemas["DraftView"];
export type Update = Schemas["UpdateView"];
