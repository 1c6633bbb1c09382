/**
 * The operators' console in the browser. Owns what is on the page below the header; keeps nothing but what it has
 * loaded. Speaks only to /api/v1, with the session's cookie; whatever may be seen or done is decided there.
 */
import { type ComponentType, render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ErrorBoundary, LocationProvider, Route, Router, useLocation } from 'preact-iso';
import { AppPage } from '#consoles/admin/web/pages/app.tsx';
import { AppAdd } from '#consoles/admin/web/pages/app-add.tsx';
import { AppRemoval, AppSecret } from '#consoles/admin/web/pages/app-changes.tsx';
import { AppConnect } from '#consoles/admin/web/pages/app-connect.tsx';
import { AppEdit } from '#consoles/admin/web/pages/app-edit.tsx';
import { AppTest } from '#consoles/admin/web/pages/app-test.tsx';
import { AppsPage } from '#consoles/admin/web/pages/apps.tsx';
import { EventsPage } from '#consoles/admin/web/pages/events.tsx';
import {
  FactorResetsPage,
  ResetApproval,
  ResetAsking,
  ResetCalledOff,
} from '#consoles/admin/web/pages/factor-resets.tsx';
import { GroupPage } from '#consoles/admin/web/pages/group.tsx';
import { GroupAddition, GroupRemoval } from '#consoles/admin/web/pages/group-changes.tsx';
import { GroupsPage } from '#consoles/admin/web/pages/groups.tsx';
import { MailPage, SparedPage } from '#consoles/admin/web/pages/mail.tsx';
import { MailHealthPage } from '#consoles/admin/web/pages/mail-health.tsx';
import { MailLetterPage, MailLettersPage } from '#consoles/admin/web/pages/mail-letters.tsx';
import { OperatorGrant, OperatorRemoval } from '#consoles/admin/web/pages/operator-changes.tsx';
import { OperatorsPage } from '#consoles/admin/web/pages/operators.tsx';
import { OverviewPage } from '#consoles/admin/web/pages/overview.tsx';
import { PeoplePage } from '#consoles/admin/web/pages/people.tsx';
import { PersonPage } from '#consoles/admin/web/pages/person.tsx';
import { PersonErasure, SessionsEnd, StandingChange } from '#consoles/admin/web/pages/person-changes.tsx';
import { LinkRemoval } from '#consoles/admin/web/pages/person-links.tsx';
import {
  LinkApproval,
  LinkAsking,
  LinkCalledOff,
  RecoveryLinksPage,
} from '#consoles/admin/web/pages/recovery-links.tsx';
import { RefusalPage } from '#consoles/admin/web/pages/refusal.tsx';
import { RefusalsPage } from '#consoles/admin/web/pages/refusals.tsx';
import {
  RegistrationTokenMaking,
  RegistrationTokenRemoval,
  RegistrationTokensPage,
} from '#consoles/admin/web/pages/registration-tokens.tsx';
import { RelayPage, RelayStop } from '#consoles/admin/web/pages/relay.tsx';
import { RelayAppPage } from '#consoles/admin/web/pages/relay-app.tsx';
import { RelayKeyChange, RelayKeyMaking, RelayKeysPage } from '#consoles/admin/web/pages/relay-keys.tsx';
import { RelayListAdd, RelayListChange } from '#consoles/admin/web/pages/relay-list-edit.tsx';
import {
  RelayListDecision,
  RelayListPage,
  RelayListRemoval,
  RelayListsPage,
} from '#consoles/admin/web/pages/relay-lists.tsx';
import { RelayLogPage, RelayMessagePage } from '#consoles/admin/web/pages/relay-log.tsx';
import { RelayRequestDecision, RelayRequestsPage } from '#consoles/admin/web/pages/relay-requests.tsx';
import { TargetPage } from '#consoles/admin/web/pages/target.tsx';
import { TargetAdd } from '#consoles/admin/web/pages/target-add.tsx';
import { BrakeDecision } from '#consoles/admin/web/pages/target-brake.tsx';
import { PlanApproval, PlanRefusal } from '#consoles/admin/web/pages/target-plan-decide.tsx';
import { TargetRelease } from '#consoles/admin/web/pages/target-queue.tsx';
import { SubjectLinkAgain, SubjectRecords } from '#consoles/admin/web/pages/target-records.tsx';
import { TargetRemoval } from '#consoles/admin/web/pages/target-settings.tsx';
import { StrangerPage } from '#consoles/admin/web/pages/target-strangers.tsx';
import { SubjectLook, SubjectRelink } from '#consoles/admin/web/pages/target-subject-acts.tsx';
import { TargetsPage } from '#consoles/admin/web/pages/targets.tsx';
import { TokenMaking, TokenRemoval, TokensPage } from '#consoles/admin/web/pages/tokens.tsx';
import { UpstreamPage } from '#consoles/admin/web/pages/upstream.tsx';
import { UpstreamAdd } from '#consoles/admin/web/pages/upstream-add.tsx';
import { UpstreamRemoval, UpstreamSwitch } from '#consoles/admin/web/pages/upstream-changes.tsx';
import { UpstreamsPage } from '#consoles/admin/web/pages/upstreams.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { type Right, useSession, WithSession } from './session.tsx';
import './style.css';
import './style-apps.css';
import './style-mail.css';
import './style-targets.css';
import './style-upstreams.css';
import { words } from './words.ts';
import { resetWords } from './words-factor-resets.ts';
import { linkWords, mailWords } from './words-own-mail.ts';
import { refusalWords } from './words-refusals.ts';
import { relayWords } from './words-relay.ts';
import { upstreamWords } from './words-upstreams.ts';

/** The navigation: an entry stands there for whoever may see its section. The server knows the same list. */
const sections: readonly { href: string; label: string; right: Right }[] = [
  { href: '/admin', label: words.overview, right: 'people.read' },
  { href: '/admin/people', label: words.people, right: 'people.read' },
  { href: '/admin/groups', label: words.groups, right: 'groups.read' },
  { href: '/admin/apps', label: words.apps, right: 'applications.read' },
  { href: '/admin/targets', label: words.targets, right: 'targets.read' },
  { href: '/admin/upstreams', label: upstreamWords.title, right: 'community.read' },
  { href: '/admin/refusals', label: refusalWords.title, right: 'people.read' },
  { href: '/admin/factor-resets', label: resetWords.title, right: 'people.read' },
  { href: '/admin/recovery-links', label: linkWords.title, right: 'people.read' },
  { href: '/admin/mail', label: mailWords.title, right: 'notices.read' },
  { href: '/admin/relay', label: relayWords.title, right: 'relay.read' },
  { href: '/admin/events', label: words.events, right: 'events.read' },
  { href: '/admin/operators', label: words.operators, right: 'operators.read' },
  { href: '/admin/tokens', label: words.tokens, right: 'tokens.read' },
];

// biome-ignore lint/suspicious/noExplicitAny: the router hands each page its own parameters
type Pages = readonly (readonly [path: string, page: ComponentType<any>])[];

/** Every address of the console. What is asked before it is done has an address of its own. */
const pages: Pages = [
  ['/admin', OverviewPage],
  ['/admin/people', PeoplePage],
  ['/admin/people/:id/standing/:state', StandingChange],
  ['/admin/people/:id/sessions/end', SessionsEnd],
  ['/admin/people/:id/erase', PersonErasure],
  ['/admin/people/:id/links/:link/remove', LinkRemoval],
  ['/admin/people/:id/proofs/ask', ResetAsking],
  ['/admin/people/:id/proofs/agree', ResetApproval],
  ['/admin/people/:id/proofs/call-off', ResetCalledOff],
  ['/admin/people/:id/recovery-link/ask', LinkAsking],
  ['/admin/people/:id/recovery-link/agree', LinkApproval],
  ['/admin/people/:id/recovery-link/call-off', LinkCalledOff],
  ['/admin/people/:id/:view?', PersonPage],
  ['/admin/groups', GroupsPage],
  ['/admin/groups/add', GroupAddition],
  ['/admin/groups/:id', GroupPage],
  ['/admin/groups/:id/remove', GroupRemoval],
  ['/admin/apps', AppsPage],
  ['/admin/apps/add/:template?', AppAdd],
  ['/admin/apps/:id', AppPage],
  ['/admin/apps/:id/connect', AppConnect],
  ['/admin/apps/:id/test', AppTest],
  ['/admin/apps/:id/settings/:part?', AppEdit],
  ['/admin/apps/:id/secret', AppSecret],
  ['/admin/apps/:id/remove', AppRemoval],
  ['/admin/targets', TargetsPage],
  ['/admin/targets/add/:step?', TargetAdd],
  ['/admin/targets/:id/release', TargetRelease],
  ['/admin/targets/:id/remove', TargetRemoval],
  ['/admin/targets/:id/plan/approve', PlanApproval],
  ['/admin/targets/:id/plan/refuse', PlanRefusal],
  ['/admin/targets/:id/people/:subject/look', SubjectLook],
  ['/admin/targets/:id/people/:subject/relink', SubjectRelink],
  ['/admin/targets/:id/people/:subject/records', SubjectRecords],
  ['/admin/targets/:id/people/:subject/link-again', SubjectLinkAgain],
  ['/admin/targets/:id/stranger/:remote', StrangerPage],
  ['/admin/targets/:id/decide/:answer', BrakeDecision],
  ['/admin/targets/:id/:view?/:subject?', TargetPage],
  ['/admin/upstreams', UpstreamsPage],
  ['/admin/upstreams/add/:preset?', UpstreamAdd],
  ['/admin/upstreams/:id/switch/:to', UpstreamSwitch],
  ['/admin/upstreams/:id/remove', UpstreamRemoval],
  ['/admin/upstreams/:id/:view?', UpstreamPage],
  ['/admin/refusals', RefusalsPage],
  ['/admin/refusals/:reference', RefusalPage],
  ['/admin/events', EventsPage],
  ['/admin/operators', OperatorsPage],
  ['/admin/operators/give', OperatorGrant],
  ['/admin/operators/:person/take/:role/:application?', OperatorRemoval],
  ['/admin/tokens', TokensPage],
  ['/admin/tokens/make', TokenMaking],
  ['/admin/tokens/registration', RegistrationTokensPage],
  ['/admin/tokens/registration/make', RegistrationTokenMaking],
  ['/admin/tokens/registration/:id/revoke', RegistrationTokenRemoval],
  ['/admin/tokens/:id/revoke', TokenRemoval],
  ['/admin/factor-resets', FactorResetsPage],
  ['/admin/recovery-links', RecoveryLinksPage],
  ['/admin/mail', MailPage],
  ['/admin/mail/spared', SparedPage],
  ['/admin/mail/letters', MailLettersPage],
  ['/admin/mail/letters/:kind/:locale', MailLetterPage],
  ['/admin/relay', RelayPage],
  ['/admin/relay/stop', RelayStop],
  ['/admin/relay/health', MailHealthPage],
  ['/admin/relay/keys', RelayKeysPage],
  ['/admin/relay/keys/make', RelayKeyMaking],
  ['/admin/relay/keys/:id/:act', RelayKeyChange],
  ['/admin/relay/log', RelayLogPage],
  ['/admin/relay/log/:id', RelayMessagePage],
  ['/admin/relay/lists', RelayListsPage],
  ['/admin/relay/lists/:name', RelayListPage],
  // Beside the lists, not below: a list may have any name.
  ['/admin/relay/add-list', RelayListAdd],
  ['/admin/relay/lists/:name/change', RelayListChange],
  ['/admin/relay/lists/:name/remove', RelayListRemoval],
  ['/admin/relay/lists/:name/:answer', RelayListDecision],
  ['/admin/relay/requests', RelayRequestsPage],
  ['/admin/relay/requests/:id/:decision', RelayRequestDecision],
  ['/admin/relay/apps/:id', RelayAppPage],
];

function Navigation() {
  const { path } = useLocation();
  const { canSomewhere } = useSession();
  const isHere = (href: string) =>
    href === '/admin' ? path === href : path === href || path.startsWith(`${href}/`);
  const strip = useRef<HTMLElement>(null);
  // On a phone the sections are a strip that scrolls sideways: where one is stands in its middle.
  useEffect(() => {
    const nav = strip.current;
    const here = nav?.querySelector<HTMLElement>('[aria-current]');
    if (nav && here)
      nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }, [path]);
  return (
    <nav class="side" aria-label={words.navigation} ref={strip}>
      <ul>
        {sections
          .filter(({ right }) => canSomewhere(right))
          .map(({ href, label }) => (
            <li key={href}>
              <a href={href} aria-current={isHere(href) ? 'page' : undefined}>
                {label}
              </a>
            </li>
          ))}
      </ul>
    </nav>
  );
}

function NotFound() {
  return (
    <Page title={words.notFound}>
      <Empty
        title={words.notFound}
        text={words.notFoundText}
        action={{ label: words.overview, href: '/admin' }}
      />
    </Page>
  );
}

/** Another page is read from its beginning: the focus goes there, but not on the first load, nor while one filters. */
function Content() {
  const { path } = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return (
    <main id="main" tabIndex={-1} ref={main}>
      <ErrorBoundary>
        <Router>
          {pages.map(([at, page]) => (
            <Route key={at} path={at} component={page} />
          ))}
          <Route default component={NotFound} />
        </Router>
      </ErrorBoundary>
    </main>
  );
}

const root = document.getElementById('console');
if (root) {
  root.replaceChildren();
  render(
    <LocationProvider scope={/^\/admin(?:$|\?|\/(?!setup|sign-in))/}>
      <WithSession>
        <Navigation />
        <Content />
      </WithSession>
    </LocationProvider>,
    root,
  );
}
