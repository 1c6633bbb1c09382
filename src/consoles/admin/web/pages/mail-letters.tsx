/** `/admin/mail/letters`: what letters say, each with a page to say it in a community's own words and look at it. */

import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { type Act, useAct } from '#consoles/admin/web/act.ts';
import { type Answer, call } from '#consoles/admin/web/client.ts';
import { forgetAll, useLoad } from '#consoles/admin/web/load.ts';
import { Badge } from '#consoles/admin/web/parts/badge.tsx';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { Form } from '#consoles/admin/web/parts/form.tsx';
import { Notice, Refused } from '#consoles/admin/web/parts/notice.tsx';
import { Empty, Page } from '#consoles/admin/web/parts/page.tsx';
import { Table } from '#consoles/admin/web/parts/table.tsx';
import { TestTold } from '#consoles/admin/web/parts/test-told.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { mailToolWords as say } from '#consoles/admin/web/words-mail-tools.ts';
import { mailWords } from '#consoles/admin/web/words-own-mail.ts';
import { Looks, type Preview, previewOf } from './mail-letter-looks.tsx';

type Shape = Answer<'GET /mail/templates'>['items'][number];
type Texts = NonNullable<Shape['languages'][number]['own']>;
type Part = Shape['parts'][number];
type Sent = Answer<'POST /mail/templates/:kind/:locale/send'>;

const all = { href: '/admin/mail/letters', label: say.letters };
const names = new Intl.DisplayNames([document.documentElement.lang || 'en'], { type: 'language' });
const languageOf = (locale: string) => names.of(locale) ?? locale;

export function MailLettersPage() {
  const { data, error, reload } = useLoad('letters', () => call('GET /mail/templates'));
  return (
    <Page
      title={say.lettersTitle}
      up={{ href: '/admin/mail', label: mailWords.title }}
      lede={say.lettersLede}
    >
      {error && <Refused error={error} retry={reload} />}
      {data && (
        <Table
          caption={say.lettersTitle}
          rows={data.items}
          keyOf={(one) => one.kind}
          columns={[
            {
              title: say.letter,
              cell: (one) => (
                <a class="row-link" href={`/admin/mail/letters/${one.kind}/${data.locales[0]}`}>
                  {say.kinds[one.kind]}
                  <small>{one.kind}</small>
                </a>
              ),
            },
            ...data.locales.map((locale) => ({
              title: languageOf(locale),
              cell: (one: Shape) => (
                <a href={`/admin/mail/letters/${one.kind}/${locale}`}>
                  {one.languages.find((language) => language.locale === locale)?.own ? (
                    <Badge tone="info" label={say.own} />
                  ) : (
                    <span class="muted">{say.ours}</span>
                  )}
                </a>
              ),
            })),
          ]}
        />
      )}
    </Page>
  );
}

/** `/admin/mail/letters/:kind/:locale` */
export function MailLetterPage({ kind, locale }: { kind: string; locale: string }) {
  const { data, error, reload } = useLoad('letters', () => call('GET /mail/templates'));
  if (error)
    return (
      <Page title={say.lettersTitle} up={all}>
        <Refused error={error} retry={reload} />
      </Page>
    );
  if (!data) return null;
  const shape = data.items.find((one) => one.kind === kind);
  const language = shape?.languages.find((one) => one.locale === locale);
  if (!shape || !language)
    return (
      <Page title={say.lettersTitle} up={all}>
        <Empty title={words.notFound} action={all} />
      </Page>
    );
  return (
    <Letter
      key={`${kind} ${locale}`}
      shape={shape}
      language={language}
      locales={data.locales}
      reload={reload}
    />
  );
}

/** What was typed and not kept, by letter and language: a look at another language takes nothing away. */
const drafts = new Map<string, Texts>();

function Letter(props: {
  shape: Shape;
  language: Shape['languages'][number];
  locales: readonly string[];
  reload(): void;
}) {
  const { shape, language, locales, reload } = props;
  const { can } = useSession();
  const draft = `${shape.kind} ${language.locale}`;
  const [texts, setTexts] = useState<Texts>(drafts.get(draft) ?? language.own ?? {});
  const [isSaved, setSaved] = useState(false);
  /** What was refused is said no more of a part that was changed since. */
  const [changed, setChanged] = useState<ReadonlySet<Part>>(new Set());
  /** What was done last: what was refused before that is over. */
  const [last, setLast] = useState<ActName>('saving');
  const [told, setTold] = useState<Sent>();
  const params = { kind: shape.kind, locale: language.locale };
  const filled = Object.fromEntries(Object.entries(texts).filter(([, text]) => text.trim() !== '')) as Texts;
  const hasOwn = Object.keys(filled).length > 0;
  const mayWrite = can('community.write');
  const { saving, resetting, sending, showing } = useActs({
    params,
    filled,
    reload,
    setTexts,
    setSaved(isKept) {
      if (isKept) drafts.delete(draft);
      setSaved(isKept);
    },
    setTold,
    onSend(act) {
      setLast(act);
      setChanged(new Set());
    },
  });
  const { refusal } = { saving, resetting, sending, showing }[last];
  const faultOf = (part: Part) => refusal?.fields[part] ?? refusal?.fields[`template.${part}`];
  const isSaid = shape.parts.some((part) => faultOf(part) !== undefined);
  return (
    <Page title={say.kinds[shape.kind]} up={all}>
      <div class="letter-page">
        <Form class="card fields" onSend={() => saving.act()} answer={refusal}>
          {refusal && !isSaid && last !== 'showing' && <Refused error={refusal} />}
          {isSaved && !refusal && (
            <Notice tone="success" live>
              {say.saved}
            </Notice>
          )}
          <LanguageField kind={shape.kind} locale={language.locale} locales={locales} />
          <PartFields
            shape={shape}
            ours={language.ours}
            texts={texts}
            faultOf={(part) => (changed.has(part) ? undefined : faultOf(part))}
            onInput={(part, text) => {
              setSaved(false);
              setChanged(new Set(changed).add(part));
              const typed = { ...texts, [part]: text };
              drafts.set(draft, typed);
              setTexts(typed);
            }}
          />
          <Hints shape={shape} />
          {mayWrite && (
            <Acts
              saving={saving}
              sending={sending}
              resetting={resetting}
              canSave={hasOwn || language.own !== undefined}
              canReset={language.own !== undefined}
            />
          )}
          {told && <TestTold tried={told} />}
        </Form>
        <Looks
          params={params}
          filled={filled}
          showing={showing}
          refusal={last === 'showing' ? refusal : undefined}
          isSaid={isSaid}
        />
      </div>
    </Page>
  );
}

type ActName = 'saving' | 'resetting' | 'sending' | 'showing';

function useActs(on: {
  params: { kind: Shape['kind']; locale: string };
  filled: Texts;
  reload(): void;
  setTexts(texts: Texts): void;
  setSaved(isSaved: boolean): void;
  setTold(told: Sent | undefined): void;
  /** Called when what is typed goes to the house. */
  onSend(act: ActName): void;
}) {
  const { params, filled, reload, setTexts, setSaved, setTold, onSend } = on;
  const [shown, setShown] = useState<Preview>();
  const hasOwn = Object.keys(filled).length > 0;
  const change = async (isReset: boolean) => {
    setSaved(false);
    onSend(isReset ? 'resetting' : 'saving');
    if (isReset || !hasOwn) await call('DELETE /mail/templates/:kind/:locale', { params });
    else await call('PUT /mail/templates/:kind/:locale', { params, body: filled });
    if (isReset) setTexts({});
    forgetAll();
    reload();
    setSaved(true);
    // What stands beside it is what letters say from now on.
    setShown(await previewOf(params, {}));
  };
  const showing = useAct(async () => {
    onSend('showing');
    setShown(await previewOf(params, filled));
  });
  const saving = useAct(() => change(false));
  const resetting = useAct(() => change(true));
  const sending = useAct(async () => {
    setTold(undefined);
    onSend('sending');
    setTold(
      await call('POST /mail/templates/:kind/:locale/send', {
        params,
        body: hasOwn ? { template: filled } : {},
      }),
    );
  });
  return { saving, resetting, sending, showing: { ...showing, shown } };
}

function Hints({ shape }: { shape: Shape }) {
  return (
    <>
      <p class="small">
        {say.placeholders}:{' '}
        {shape.placeholders.map((name) => (
          <code key={name}>{`{${name}} `}</code>
        ))}
      </p>
      {shape.needed.length > 0 && (
        <p class="small">{say.needed(shape.needed.map((name) => `{${name}}`).join(', '))}</p>
      )}
    </>
  );
}

function Acts(props: { saving: Act; sending: Act; resetting: Act; canSave: boolean; canReset: boolean }) {
  const { saving, sending, resetting, canSave, canReset } = props;
  return (
    <div class="actions">
      <Button id="save-letter" label={say.save} busy={saving.busy} disabled={!canSave} />
      <Button id="send-letter" label={say.sendMe} kind="quiet" busy={sending.busy} onClick={sending.act} />
      {canReset && (
        <Button
          id="reset-letter"
          label={say.reset}
          kind="plain"
          busy={resetting.busy}
          onClick={resetting.act}
        />
      )}
    </div>
  );
}

function LanguageField(props: { kind: Shape['kind']; locale: string; locales: readonly string[] }) {
  const { kind, locale, locales } = props;
  const { route } = useLocation();
  return (
    <SelectField
      name="locale"
      label={say.language}
      value={locale}
      options={locales.map((value) => ({ value, label: languageOf(value) }))}
      onInput={(value) => route(`/admin/mail/letters/${kind}/${value}`)}
      required
    />
  );
}

function PartFields(props: {
  shape: Shape;
  ours: Texts;
  texts: Texts;
  faultOf(part: Part): string | undefined;
  onInput(part: Part, text: string): void;
}) {
  const { shape, ours, texts, faultOf, onInput } = props;
  return (
    <>
      {shape.parts.map((part) => (
        <PartField
          key={part}
          part={part}
          ours={ours[part] ?? ''}
          value={texts[part] ?? ''}
          error={faultOf(part)}
          onInput={(text) => onInput(part, text)}
        />
      ))}
    </>
  );
}

function PartField(props: {
  part: Part;
  ours: string;
  value: string;
  error?: string;
  onInput(text: string): void;
}) {
  const { part, ours, value, error, onInput } = props;
  const isLong = part === 'text' || part === 'after';
  return (
    <TextField
      name={`letter-${part}`}
      label={say.parts[part]}
      help={isLong ? `${say.emptyIsOurs(ours)} ${say.paragraphs}` : say.emptyIsOurs(ours)}
      value={value}
      error={error}
      onInput={onInput}
      long={isLong}
      rows={part === 'text' ? 6 : 3}
      maxLength={{ subject: 150, text: 2000, action: 60, after: 1000 }[part]}
    />
  );
}
