/** What is decided about the people of an upstream: where they find it, who may come, what is believed and taken over. */
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { Button } from '#consoles/admin/web/parts/button.tsx';
import { ListField, RadioField } from '#consoles/admin/web/parts/choices.tsx';
import { SelectField, TextField } from '#consoles/admin/web/parts/fields.tsx';
import { useSession } from '#consoles/admin/web/session.tsx';
import { upstreamWords } from '#consoles/admin/web/words-upstreams.ts';
import { useGroupNames } from './target-rules.tsx';
import { faultOf } from './target-save.tsx';
import type { PartProps } from './upstream-kind.tsx';
import { type GroupRule, kindOf, type Preset, type Settings } from './upstream-settings.ts';

const say = upstreamWords;

export function PlaceFields({ settings, refusal, onInput }: PartProps) {
  const isDirectory = kindOf(settings) === 'ldap';
  return (
    <>
      <TextField
        name="title"
        label={say.titleField}
        value={settings.title}
        maxLength={60}
        required
        error={faultOf(refusal, 'title')}
        onInput={(title) => onInput({ ...settings, title })}
      />
      <SelectField
        name="button"
        label={say.button}
        help={say.buttonHelp}
        value={String(settings.button)}
        required
        options={[
          { value: 'true', label: say.yes },
          { value: 'false', label: say.no },
        ]}
        onInput={(typed) => onInput({ ...settings, button: typed === 'true' })}
      />
      {!isDirectory && (
        <ListField
          name="domains"
          label={say.domains}
          help={say.domainsHelp}
          values={settings.domains}
          error={faultOf(refusal, 'domains')}
          onInput={(domains) => onInput({ ...settings, domains })}
        />
      )}
    </>
  );
}

export function WhoFields({ settings, refusal, onInput }: PartProps) {
  const trust = settings.trustAddresses === undefined ? 'usual' : settings.trustAddresses ? 'yes' : 'no';
  return (
    <>
      <RadioField
        name="new-people"
        label={say.newPeople}
        value={settings.newPeople}
        options={(['ask', 'create', 'refuse'] as const).map((value) => ({
          value,
          label: say.newPeopleRules[value][0],
          help: say.newPeopleRules[value][1],
        }))}
        onInput={(newPeople) => onInput({ ...settings, newPeople })}
      />
      <SelectField
        name="trust"
        label={say.trust}
        help={say.trustHelp}
        value={trust}
        required
        options={(['usual', 'yes', 'no'] as const).map((value) => ({ value, label: say.trusts[value] }))}
        onInput={(typed) => {
          const { trustAddresses: _, ...rest } = settings;
          onInput(typed === 'usual' ? rest : { ...rest, trustAddresses: typed === 'yes' });
        }}
      />
      <ListField
        name="authoritative"
        label={say.authoritative}
        help={say.authoritativeHelp}
        values={settings.authoritative}
        error={faultOf(refusal, 'authoritative')}
        onInput={(authoritative) => onInput({ ...settings, authoritative })}
      />
    </>
  );
}

export function BelievedFields({ settings, refusal, onInput }: PartProps) {
  const list = (rule: 'require' | 'secondFactor', word: 'amr' | 'acr', label: string) => (
    <ListField
      name={`${rule}-${word}`}
      label={label}
      values={settings[rule][word]}
      error={faultOf(refusal, `${rule}.${word}`)}
      onInput={(values) => onInput({ ...settings, [rule]: { ...settings[rule], [word]: values } })}
    />
  );
  return (
    <>
      <p class="muted small">{say.believedText}</p>
      {list('secondFactor', 'amr', say.secondAmr)}
      {list('secondFactor', 'acr', say.secondAcr)}
      {list('require', 'amr', say.requireAmr)}
      {list('require', 'acr', say.requireAcr)}
    </>
  );
}

const ownFields = [
  'username',
  'givenName',
  'familyName',
  'displayName',
  'email',
  'locale',
  'groups',
] as const;

export function TakenFields({ settings, refusal, onInput, preset }: PartProps & { preset: Preset }) {
  const { can } = useSession();
  const declared = useLoad(can('community.read') ? 'attributes' : undefined, () => call('GET /attributes'));
  const { mapping } = settings;
  const set = (changed: Settings['mapping']) => onInput({ ...settings, mapping: changed });
  const expression = (
    path: string,
    label: string,
    value: string | undefined,
    usual: string | undefined,
    onTyped: (typed: string | undefined) => void,
  ) => (
    <TextField
      key={path}
      name={`mapping-${path.replaceAll('.', '-')}`}
      label={label}
      value={value ?? ''}
      placeholder={usual}
      code
      literal
      maxLength={1000}
      error={faultOf(refusal, `mapping.${path}`)}
      onInput={(typed) => onTyped(typed === '' ? undefined : typed)}
    />
  );
  return (
    <>
      <RadioField
        name="sync"
        label={say.sync}
        value={settings.sync}
        options={(['first', 'always'] as const).map((value) => ({ value, label: say.syncs[value] }))}
        onInput={(sync) => onInput({ ...settings, sync })}
      />
      <p class="muted small">{say.mappingText}</p>
      {ownFields.map((name) =>
        expression(
          name,
          say.fields[name] ?? name,
          mapping[name] as string | undefined,
          preset.mapping[name],
          (typed) => {
            const { [name]: _, ...rest } = mapping;
            set((typed === undefined ? rest : { ...rest, [name]: typed }) as Settings['mapping']);
          },
        ),
      )}
      {declared.data?.items.map((one) => {
        const name = String(one.name);
        return expression(
          `attributes.${name}`,
          String(one.title),
          mapping.attributes[name],
          undefined,
          (typed) => {
            const { [name]: _, ...rest } = mapping.attributes;
            set({ ...mapping, attributes: typed === undefined ? rest : { ...rest, [name]: typed } });
          },
        );
      })}
    </>
  );
}

export function GroupFields({ settings, refusal, onInput }: PartProps) {
  const names = useGroupNames();
  const { groups } = settings;
  const change = (at: number, rule: GroupRule | undefined) =>
    onInput({
      ...settings,
      groups: groups.flatMap((one, index) => (index === at ? (rule ?? []) : one)),
    });
  return (
    <>
      <p class="muted small">{say.groupsText}</p>
      {groups.map((rule, at) => (
        <div class="group-rule" key={at}>
          <TextField
            name={`group-${at}-from`}
            label={say.from}
            value={rule.from}
            required
            literal
            error={faultOf(refusal, `groups.${at}.from`)}
            onInput={(from) => change(at, { ...rule, from })}
          />
          <TextField
            name={`group-${at}-to`}
            label={say.to}
            value={rule.to}
            required
            literal
            suggestions={names}
            error={faultOf(refusal, `groups.${at}.to`)}
            onInput={(to) => change(at, { ...rule, to })}
          />
          <SelectField
            name={`group-${at}-owned`}
            label={say.owned}
            required
            value={String(rule.owned)}
            options={[
              { value: 'false', label: say.no },
              { value: 'true', label: say.yes },
            ]}
            onInput={(typed) => change(at, { ...rule, owned: typed === 'true' })}
          />
          <Button
            label="×"
            kind="plain"
            compact
            describe={say.takeGroup(rule.from || String(at + 1))}
            onClick={() => change(at, undefined)}
          />
        </div>
      ))}
      <div class="actions">
        <Button
          id="add-group-rule"
          label={say.addGroup}
          kind="quiet"
          compact
          onClick={() => onInput({ ...settings, groups: [...groups, { from: '', to: '', owned: false }] })}
        />
      </div>
    </>
  );
}
