/** Which role somebody or some program gets, and for which app where it is a role for one. */
import { useState } from 'preact/hooks';
import { call } from '#consoles/admin/web/client.ts';
import { useLoad } from '#consoles/admin/web/load.ts';
import { SelectField } from '#consoles/admin/web/parts/fields.tsx';
import { words } from '#consoles/admin/web/words.ts';
import { settingsOf } from './app-settings.ts';

export type Role = keyof typeof words.roles;
const roles = Object.keys(words.roles) as Role[];

/** What is chosen; `bound` is what goes beside the role in a request. */
export function useRole(first: Role) {
  const [role, setRole] = useState<Role>(first);
  const [application, setApplication] = useState('');
  const apps = useLoad('applications', () => call('GET /applications'));
  const choices = (apps.data?.items ?? []).map((one) => ({ value: one.id, label: settingsOf(one).title }));
  const app = application || choices[0]?.value;
  const bound = role === 'app-owner' ? { application: app } : {};
  return { role, setRole, app, setApplication, choices, bound };
}

export function RoleFields(props: { label: string; appLabel: string; chosen: ReturnType<typeof useRole> }) {
  const { label, appLabel, chosen } = props;
  return (
    <>
      <SelectField
        name="role"
        label={label}
        value={chosen.role}
        onInput={(value) => chosen.setRole(value as Role)}
        options={roles.map((one) => ({ value: one, label: words.roles[one] }))}
        required
      />
      {chosen.role === 'app-owner' && (
        <SelectField
          name="application"
          label={appLabel}
          value={chosen.app ?? ''}
          onInput={chosen.setApplication}
          options={chosen.choices}
          required
        />
      )}
    </>
  );
}
