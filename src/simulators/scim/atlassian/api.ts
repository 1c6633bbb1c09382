/** The two doors of the double: the SCIM directory under its key, everything else under the organisation's. */
import { createEndpoints } from '#simulators/scim/endpoints.ts';
import { type Answer, type Exchange, jsonAnswer } from '#simulators/scim/exchange.ts';
import type { Filter } from '#simulators/scim/filter.ts';
import type { Api } from '#simulators/scim/listener.ts';
import { Refusal } from '#simulators/scim/refusal.ts';
import type { Kind } from '#simulators/scim/resources.ts';
import { groupSchema } from '#simulators/scim/schema.ts';
import { bears, ofDirectory, refusalAnswer, unauthorised } from '#simulators/scim/scim.ts';
import { subjectOf } from '#simulators/scim/subject.ts';
import type { AtlassianSimulatorOptions } from './atlassian.ts';
import { pageCap } from './facts.ts';
import { type IpRanges, rangesPath } from './ip-ranges.ts';
import { answerOrganisation, type Organisation, organisationError } from './organisation.ts';
import { extensionUrn } from './user-schema.ts';
import type { World } from './world.ts';

export function createApi(input: {
  options: AtlassianSimulatorOptions;
  world: World;
  organisation: Organisation;
  keys: { directoryKey: string; organisationKey: string };
  chance: () => number;
  url: () => string;
  ranges: IpRanges;
}): Api {
  const { options, world, organisation, keys } = input;
  const { directory, linking } = world;
  const urn = extensionUrn(options.extension ?? '1.0');
  const handle = createEndpoints({
    directory,
    userSchema: world.userSchema,
    groupSchema,
    pageCap: options.pageCap ?? pageCap,
    etag: false,
    base: input.url,
    checkFilter,
    extra(user) {
      const account = linking.accountOf(user.id);
      return account ? { [urn]: { atlassianAccountId: account.aaid } } : {};
    },
  });
  const isScim = (exchange: Exchange) => exchange.segments[0] === 'scim';
  const ours = (exchange: Exchange) =>
    exchange.segments[1] === 'directory' && exchange.segments[2] === organisation.directoryId;
  return {
    authenticate(exchange) {
      if (exchange.path === rangesPath) return undefined;
      if (isScim(exchange)) return bears(exchange, keys.directoryKey) ? undefined : unauthorised();
      const refusal = new Refusal(401, 'The organisation API key is missing or another one.');
      return bears(exchange, keys.organisationKey) ? undefined : organisationError(refusal);
    },
    subject: (exchange) =>
      isScim(exchange) ? subjectOf(exchange, exchange.segments.slice(3), directory) : {},
    handle(exchange) {
      const published = input.ranges.answer(exchange);
      if (published) return { answer: published };
      if (!isScim(exchange)) return answerOrganisation(organisation, exchange);
      if (!ours(exchange)) throw new Refusal(404, 'There is no such directory.');
      return handle(exchange, exchange.segments.slice(3));
    },
    refuse(refusal, exchange) {
      const share = options.foreignErrors ?? 0;
      if (share > 0 && input.chance() < share) return foreignError(refusal, exchange);
      return isScim(exchange) ? refusalAnswer(refusal) : organisationError(refusal);
    },
    ...ofDirectory(directory),
    forget(change) {
      ofDirectory(directory).forget(change);
      linking.forget(change.id);
    },
    changed: organisation.changed,
  };
}

/** facts.filters. */
function checkFilter(filter: Filter, kind: Kind): void {
  const names = kind === 'User' ? ['userName', 'externalId'] : ['displayName'];
  const fits =
    filter.is === 'compare' &&
    filter.operator === 'eq' &&
    !filter.place.sub &&
    !filter.place.extension &&
    names.includes(filter.place.attribute.name);
  if (!fits) throw new Refusal(400, `Only one eq on ${names.join(' or ')} is supported.`, 'invalidFilter');
}

/** A body as a web framework writes it (facts.errors; form assumed). */
function foreignError(refusal: Refusal, exchange: Exchange): Answer {
  return jsonAnswer(refusal.status, {
    code: refusal.status,
    message: refusal.message,
    localizedMessage: refusal.message,
    path: exchange.path,
    suppressed: [],
    stackTrace: [],
  });
}
