/** What happened, newest first: who, what, when, and what is known of it. */
import type { ComponentChildren } from 'preact';
import type { Answer } from '#consoles/admin/web/client.ts';
import { words } from '#consoles/admin/web/words.ts';
import { Icon, type Tone, toneClass } from './icons.tsx';
import { Time } from './time.tsx';

export interface Moment {
  key: string | number;
  at: string;
  what: ComponentChildren;
  more?: ComponentChildren;
  tone?: Tone;
}

export function Timeline({ moments }: { moments: readonly Moment[] }) {
  return (
    <ol class="timeline">
      {moments.map(({ key, at, what, more, tone = 'neutral' }) => (
        <li key={key} class={toneClass(tone)}>
          <Icon shape={tone} size={13} />
          <span>{what}</span>
          <span class="when">
            <Time at={at} />
          </span>
          {more && <div class="more">{more}</div>}
        </li>
      ))}
    </ol>
  );
}

type Answered = Answer<'GET /events'>;

/** An event with what the ids in it are called. */
export type Event = Answered['items'][number] & { names: Answered['names'] };

/** The events of a page, each with its names: pages of a list are put together, names of one page are not another's. */
export function withNames({ items, names, next }: Answered): { items: Event[]; next?: string } {
  return { items: items.map((one) => ({ ...one, names })), next };
}

const tones: readonly (readonly [RegExp, Tone])[] = [
  [
    /^(?:person\.(?:left|dropped)|sign-in\.throttled|.*\.(?:removed|revoked|withdrawn|dismissed))$/,
    'warning',
  ],
  [/^(?:person\.(?:joined|activated)|.*\.(?:added|verified|given|appointed|created|assigned))$/, 'success'],
  [/^(?:session|password)\./, 'info'],
];

export function toneOf(type: string): Tone {
  return tones.find(([shape]) => shape.test(type))?.[1] ?? 'neutral';
}

/** What happened, without the explanation that stands in the log's own description. */
export const saysShortly = (event: Event): string => event.text.split(/[:;]|\.$/, 1)[0] ?? event.type;

/** Who did it, in words. */
export function Actor({ event }: { event: Event }) {
  const { actor, cause, names } = event;
  const kind = words.actors[actor.kind as keyof typeof words.actors] ?? actor.kind;
  const name = (actor.id !== undefined ? names[actor.id] : undefined) ?? actor.name;
  const known = actor.id !== undefined && names[actor.id] !== undefined;
  // The cause says where an operator did it; what the command line or the program itself did says so by its name.
  const isElsewhere = cause === 'admin' && actor.kind !== 'operator';
  const why = isElsewhere ? '' : (words.causes[cause as keyof typeof words.causes] ?? cause);
  return (
    <>
      {words.by} {known ? <a href={`/admin/people/${actor.id}`}>{name}</a> : (name ?? kind)}
      {why && ` · ${why}`}
    </>
  );
}

/** Whom and what it is about, as links. */
export function About({ event }: { event: Event }) {
  const { names } = event;
  const group = typeof event.data.group === 'string' ? event.data.group : undefined;
  const links: ComponentChildren[] = [];
  if (event.person)
    links.push(<a href={`/admin/people/${event.person}`}>{names[event.person] ?? event.person}</a>);
  if (event.application) links.push(<a href={`/admin/apps/${event.application}`}>{event.application}</a>);
  if (group && names[group]) links.push(<a href={`/admin/groups/${group}`}>{names[group]}</a>);
  return <span class="about">{links}</span>;
}

/** Ids say nothing to a reader: what they stand for is named, or gone. */
const isId = (value: unknown) =>
  typeof value === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);

function written(value: unknown): string {
  if (Array.isArray(value)) return value.filter((one) => !isId(one)).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The facts kept of an event, in its own words. */
export function EventFacts({ event }: { event: Event }) {
  const facts = Object.entries(event.data).filter(([, value]) => !isId(value));
  return (
    <span class="event-facts">
      {facts.map(([name, value]) => (
        <span class="fact" key={name}>
          {name} <code>{written(value)}</code>
        </span>
      ))}
    </span>
  );
}

/** Events as a timeline. `about` names whom they are about, for lists of more than one person. */
export function Events({ events, about }: { events: readonly Event[]; about?: boolean }) {
  const moments = events.map((event) => ({
    key: event.id,
    at: event.at,
    tone: toneOf(event.type),
    what: saysShortly(event),
    more: (
      <>
        {about && (event.person || event.application) && (
          <>
            <About event={event} />
            {' · '}
          </>
        )}
        <Actor event={event} />
        <EventFacts event={event} />
      </>
    ),
  }));
  return <Timeline moments={moments} />;
}
