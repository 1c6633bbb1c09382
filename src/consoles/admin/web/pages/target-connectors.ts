/** What a target can be, as the API says: asked once, for every page that needs it. */
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';

type Answered = Answer<'GET /connectors'>;
export type Connector = Answered['items'][number];
export type ConnectorFact = Connector['profile']['facts'][number];

export function useConnectors(name?: string) {
  const { data, error, slow } = useLoad('connectors', () => call('GET /connectors'));
  return {
    all: data?.items,
    connector: data?.items.find((one) => one.name === name),
    variables: data?.variables ?? {},
    error,
    slow,
  };
}
