/** People by user name, for fields that name someone. */
import { useEffect, useState } from 'preact/hooks';
import { type Answer, call } from '#consoles/admin/web/client.ts';

type Person = Answer<'GET /people'>['items'][number];

/** Suggestions while one types, from the second letter on. */
export function useUsernames(typed: string): string[] {
  const [found, setFound] = useState<string[]>([]);
  const wanted = typed.trim();
  useEffect(() => {
    if (wanted.length < 2) {
      setFound([]);
      return undefined;
    }
    let late = false;
    const timer = setTimeout(() => {
      call('GET /people', { query: { search: wanted, limit: 8 } })
        .then(({ items }) => {
          if (!late) setFound(items.map((one) => one.username));
        })
        // The field works without suggestions.
        .catch(() => undefined);
    }, 150);
    return () => {
      late = true;
      clearTimeout(timer);
    };
  }, [wanted]);
  return found;
}

/** Whose user name this is, whatever its letters' size. */
export async function findByUsername(typed: string): Promise<Person | undefined> {
  const wanted = typed.trim().toLowerCase();
  if (wanted === '') return undefined;
  const { items } = await call('GET /people', { query: { search: wanted, limit: 200 } });
  return items.find((one) => one.username.toLowerCase() === wanted);
}
