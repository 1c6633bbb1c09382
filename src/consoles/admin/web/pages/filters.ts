/** Filters stand in the address, so that every view of a list can be sent to someone and the way back leads to it. */
import { useLocation } from 'preact-iso';

/** What the address filters by, and how to change it: an empty value takes a filter away. */
export function useFilters<Name extends string>(
  ...names: Name[]
): [Record<Name, string>, (name: Name, value: string) => void] {
  const { path, query, route } = useLocation();
  const values = Object.fromEntries(names.map((name) => [name, query[name] ?? ''])) as Record<Name, string>;
  const change = (name: Name, value: string) => {
    const next = Object.entries({ ...values, [name]: value }).filter(([, one]) => one !== '');
    const search = new URLSearchParams(next as [string, string][]).toString();
    route(search ? `${path}?${search}` : path, true);
  };
  return [values, change];
}
