/** Apps known by name: what a template asks, the settings it makes, and what to paste on the other side. */
import { z } from 'zod';
import {
  type Application,
  type ApplicationSettings,
  applicationId,
  requireApplication,
} from '#core/applications/applications.ts';
import {
  type AppTemplate,
  findTemplate,
  makeSettings,
  type Ours,
  pastes,
  templateOf,
  templates,
} from '#core/applications/templates.ts';
import { may } from '#core/operators/permissions.ts';
import { Problem } from '#core/problem.ts';
import { oidcOurs } from '#fronts/oidc/ours.ts';
import { samlOurs } from '#fronts/saml/ours.ts';
import { withEntityId } from '#fronts/saml/published.ts';
import type { Caller } from './access.ts';
import type { Api, ApiNeeds } from './api.ts';
import { FieldsRefused } from './errors.ts';
import { pageOf } from './paging.ts';

const tags = ['Apps'];

/** What was typed into a template, by the names of its fields. */
export const templateValues = z.record(z.string().max(40), z.string().max(300_000));

const field = z.object({
  name: z.string(),
  title: z.string(),
  help: z.string(),
  example: z.string().optional(),
  required: z.boolean(),
  long: z.boolean().optional(),
  file: z.string().optional().describe('The text may be that of a file of these kinds.'),
  choices: z.array(z.object({ value: z.string(), title: z.string() })).optional(),
});

const paste = z.object({
  label: z.string().describe('What the other side calls it.'),
  value: z.string().optional(),
  from: z
    .enum(['client-id', 'client-secret'])
    .optional()
    .describe('Known when the app is there; the secret when it is made, once.'),
  long: z.boolean().optional(),
});

const summary = {
  name: z.string(),
  title: z.string(),
  about: z.string(),
  speaks: z.enum(['saml', 'oidc']),
};

const whole = z.object({
  ...summary,
  usual: z.object({ id: z.string(), title: z.string() }),
  firstThere: z.boolean().describe('The other side wants our values before it shows those asked for.'),
  fields: z.array(field),
  notes: z.array(z.string()),
  there: z.array(paste).describe('To paste there, as far as it hangs on no value.'),
});

/**
 * Settings of a template, or a refusal that names the values at fault. What an app publishes of itself is fetched for
 * whoever may add apps.
 */
export async function settingsFrom(
  needs: ApiNeeds,
  caller: Caller,
  name: string,
  given: Record<string, string>,
): Promise<ApplicationSettings> {
  const template = findTemplate(name);
  if (!template) throw new FieldsRefused([{ path: 'template', text: 'There is no such template.' }]);
  const learnt = may(caller.grants, 'applications.manage')
    ? await withEntityId(needs, template, given)
    : { values: given };
  const made = 'fault' in learnt ? { faults: [learnt.fault] } : makeSettings(template, learnt.values);
  if ('settings' in made) return made.settings;
  throw new FieldsRefused(
    made.faults.map((fault) => ({ path: `values.${fault.field}`, text: sentence(fault.text) })),
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** What we are to an app of this kind; no SAML key is made for an app that needs none. */
async function oursFor(template: AppTemplate, needs: ApiNeeds): Promise<Ours> {
  const none = { entityId: '', ssoUrl: '', sloUrl: '', metadataUrl: '', certificates: [] };
  return { saml: template.speaks === 'saml' ? await samlOurs(needs) : none, oidc: oidcOurs(needs) };
}

function show({ name, title, about, speaks, usual, firstThere = false, fields, notes }: AppTemplate) {
  const asked = fields.map(({ read: _, choices, ...one }) => ({ ...one, choices: choices && [...choices] }));
  return { name, title, about, speaks, usual, firstThere, fields: asked, notes: [...notes] };
}

function requireTemplate(name: string): AppTemplate {
  const template = findTemplate(name);
  if (!template) throw new Problem('not-found');
  return template;
}

export function applicationTemplateRoutes(api: Api): void {
  readTemplates(api);
  connectionRoute(api);
}

function readTemplates({ scope, needs }: Api): void {
  const config = { door: 'api', permission: 'applications.read', app: 'each' } as const;
  const params = z.strictObject({ name: z.string() });
  scope.get(
    '/application-templates',
    {
      config,
      schema: { tags, summary: 'Apps known by name', response: { 200: pageOf(z.object(summary)) } },
    },
    async () => ({
      items: templates.map(({ name, title, about, speaks }) => ({ name, title, about, speaks })),
    }),
  );
  scope.get(
    '/application-templates/:name',
    {
      config,
      schema: {
        tags,
        summary: 'What a template asks, and what to paste on the other side first',
        params,
        response: { 200: whole },
      },
    },
    async (request) => {
      const template = requireTemplate(request.params.name);
      return { ...show(template), there: pastes(template, {}, await oursFor(template, needs)) };
    },
  );
  scope.post(
    '/application-templates/:name/settings',
    {
      config,
      schema: {
        tags,
        summary: 'The settings these values make; nothing is kept',
        params,
        body: z.strictObject({ id: applicationId.optional(), values: templateValues }),
        response: { 200: z.object({ settings: z.record(z.string(), z.unknown()), there: z.array(paste) }) },
      },
    },
    async (request) => {
      const template = requireTemplate(request.params.name);
      const { id, values } = request.body;
      const settings = await settingsFrom(needs, request.caller, template.name, values);
      const there = pastes(template, { id, settings }, await oursFor(template, needs));
      return { settings: { ...settings } as Record<string, unknown>, there };
    },
  );
}

/** What the other side needs to know of an app that is here. */
function connectionRoute({ scope, read, needs }: Api): void {
  scope.get(
    '/applications/:id/connection',
    {
      config: { door: 'api', app: 'id', permission: 'applications.read' },
      schema: {
        tags,
        summary: 'What to paste on the other side; never a secret',
        params: z.strictObject({ id: z.string() }),
        response: {
          200: z.object({
            template: z.object({ name: z.string(), title: z.string() }).optional(),
            there: z.array(paste),
            notes: z.array(z.string()),
          }),
        },
      },
    },
    async (request) => {
      const application: Application = await read(request, (tx) => requireApplication(tx, request.params.id));
      const template = templateOf(application.settings);
      if (!template) return { there: [], notes: [] };
      return {
        template: { name: template.name, title: template.title },
        there: pastes(template, application, await oursFor(template, needs)),
        notes: [...template.notes],
      };
    },
  );
}
