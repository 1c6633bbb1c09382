/** The connectors of this version. Part of main: it alone knows them all; a new one is a line here. */
import { atlassianConnector } from '#connectors/scim/atlassian/atlassian.ts';
import { awsConnector, scimConnector, slackConnector } from '#connectors/scim/scim.ts';
import { webhookConnector } from '#connectors/webhook/webhook.ts';
import type { Connector } from '#provisioning/connector.ts';

// Each takes options of its own shape; `checkSettings` reads them with the connector's own schema before any is opened.
const all = [
  atlassianConnector,
  scimConnector,
  awsConnector,
  slackConnector,
  webhookConnector,
] as unknown as readonly Connector[];

/** By name, as settings of targets say it. */
export const connectors: ReadonlyMap<string, Connector> = new Map(all.map((one) => [one.name, one]));
