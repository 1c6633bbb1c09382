/** Setting an upstream up: who is known by name, what to paste there, whether it answers, and whom it knows here. */
import { z } from 'zod';
import { findPeople } from '#core/people/people.ts';
import { usualMapping } from '#signon/upstream/identity.ts';
import { linksAt } from '#signon/upstream/links.ts';
import {
  credentialsAsked,
  ourAddresses,
  presetOf,
  type UpstreamPreset,
  upstreamPresets,
} from '#signon/upstream/presets.ts';
import { upstreamId, upstreamSettings } from '#signon/upstream/settings.ts';
import { tryUpstream } from '#signon/upstream/try.ts';
import { credentialsOf, requireUpstream } from '#signon/upstream/upstreams.ts';
import type { Api } from './api.ts';
import { pageOf, pageQuery } from './paging.ts';
import { moment } from './shapes.ts';

const tags = ['Upstreams'];
const params = z.strictObject({ id: upstreamId });
const anything = z.record(z.string(), z.unknown());

const paste = z.object({
  label: z.string().describe('What the other side calls it.'),
  value: z.string(),
});

const presetShape = z.object({
  name: z.string(),
  title: z.string(),
  about: z.string(),
  kind: z.string(),
  usual: z.object({ id: z.string(), settings: anything }),
  first: z.array(z.string()).describe('What to look at first of the section of its kind, by path.'),
  options: anything.describe('JSON Schema of the section of its kind.'),
  mapping: z.record(z.string(), z.string()).describe('What is read where the settings say nothing.'),
  credentials: z.array(z.object({ name: z.string(), text: z.string(), required: z.boolean() })),
  where: z.string(),
  there: z.array(paste).describe('To paste there; {id} stands for the id it gets here.'),
  notes: z.array(z.string()),
});

const triedShape = z.object({
  what: z.string(),
  ok: z.boolean(),
  said: z.string(),
  detail: z.string().optional().describe('What the other side or the network said.'),
});

const linkedShape = z.object({
  id: z.string(),
  person: z.string(),
  username: z.string(),
  displayName: z.string(),
  label: z.string().describe('What it calls the person today.'),
  createdAt: moment,
  usedAt: moment.optional(),
});

const list = 'upstream-links';

export function setupRoutes(api: Api): void {
  presetRoutes(api);
  connectionRoute(api);
  tryRoute(api);
  linkedRoute(api);
}

const idPlace = 'id-chosen-later';

function pastesOf(preset: UpstreamPreset, publicUrl: URL, id: string | undefined) {
  const ours = ourAddresses(publicUrl, id ?? idPlace);
  return preset.there.map(({ label, of }) => ({
    label,
    value: id === undefined ? ours[of].replace(idPlace, '{id}') : ours[of],
  }));
}

function presetRoutes({ scope, needs }: Api): void {
  scope.get(
    '/upstream-presets',
    {
      config: { door: 'api', permission: 'applications.read' },
      schema: {
        tags,
        summary: 'Providers known by name, with what each asks and what to paste there',
        response: { 200: pageOf(presetShape) },
      },
    },
    async () => ({
      items: upstreamPresets.map((preset) => {
        const { kind, first, notes, usual, name, title, about, where } = preset;
        return {
          ...{ name, title, about, kind, usual, where },
          first: [...first],
          notes: [...notes],
          options: z.toJSONSchema(upstreamSettings.shape[kind], { io: 'input', unrepresentable: 'any' }),
          mapping: { ...usualMapping[kind] },
          credentials: credentialsAsked(kind),
          there: pastesOf(preset, needs.publicUrl, undefined),
        };
      }),
    }),
  );
}

function connectionRoute({ scope, read, needs }: Api): void {
  scope.get(
    '/upstreams/:id/connection',
    {
      config: { door: 'api', permission: 'applications.read' },
      schema: {
        tags,
        summary: 'What to paste on the other side',
        params,
        response: {
          200: z.object({
            preset: z.string(),
            title: z.string(),
            where: z.string(),
            there: z.array(paste),
            notes: z.array(z.string()),
          }),
        },
      },
    },
    async (request) => {
      const { id, settings } = await read(request, (tx) => requireUpstream(tx, request.params.id));
      const preset = presetOf(settings);
      const { name, title, where, notes } = preset;
      const there = pastesOf(preset, needs.publicUrl, id);
      return { preset: name, title, where, there, notes: [...notes] };
    },
  );
}

function tryRoute({ scope, read, needs }: Api): void {
  scope.post(
    '/upstreams/:id/try',
    {
      config: { door: 'api', permission: 'upstreams.write' },
      schema: {
        tags,
        summary: 'Ask the other side what can be asked without anybody signing in',
        description: 'By what is saved, also of an upstream that is switched off. Nothing is changed.',
        params,
        body: z.strictObject({}),
        response: { 200: z.object({ tried: z.array(triedShape) }) },
      },
    },
    async (request) => {
      const { upstream, credentials } = await read(request, async (tx) => ({
        upstream: await requireUpstream(tx, request.params.id),
        credentials: await credentialsOf(tx, needs.secrets, request.params.id),
      }));
      return { tried: await tryUpstream(needs, upstream, credentials) };
    },
  );
}

function linkedRoute({ scope, read, cursors }: Api): void {
  scope.get(
    '/upstreams/:id/people',
    {
      config: { door: 'api', permission: 'people.read' },
      schema: {
        tags,
        summary: 'Whom it knows here',
        params,
        querystring: z.strictObject(pageQuery),
        response: { 200: pageOf(linkedShape) },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { limit, cursor } = request.query;
      const after = cursors.read(`${list} ${id}`, cursor);
      const found = await read(request, async (tx) => {
        await requireUpstream(tx, id);
        const links = await linksAt(tx, id, { after, limit: limit + 1 });
        const people = await findPeople(
          tx,
          links.map((one) => one.person),
        );
        const known = new Map(people.map((one) => [one.id, one]));
        return links.map(({ tenant: _, subject: __, upstream: ___, takenOverAt: ____, ...link }) => ({
          ...link,
          username: known.get(link.person)?.username ?? '',
          displayName: known.get(link.person)?.displayName ?? '',
        }));
      });
      return cursors.page(`${list} ${id}`, found, limit, (last) => last.id);
    },
  );
}
