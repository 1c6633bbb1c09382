/** Something a button does: called once at a time, with its state for the button and for a notice. */
import { useState } from 'preact/hooks';
import { Refusal } from './client.ts';

export interface Act {
  busy: boolean;
  refusal: Refusal | undefined;
  act(): void;
}

export function useAct(work: () => Promise<void>): Act {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const act = () => {
    setBusy(true);
    setRefusal(undefined);
    work()
      .catch((error: unknown) => {
        if (error instanceof Refusal) setRefusal(error);
        else throw error;
      })
      .finally(() => setBusy(false));
  };
  return { busy, refusal, act };
}
