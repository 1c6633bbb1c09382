/** How much room there is, where leaving something out by style would not do. */
import { useEffect, useState } from 'preact/hooks';

const narrow = matchMedia('(max-width: 40rem)');

/** Whether this is as narrow as a phone, now and when it changes. */
export function usePhone(): boolean {
  const [phone, setPhone] = useState(narrow.matches);
  useEffect(() => {
    const look = () => setPhone(narrow.matches);
    narrow.addEventListener('change', look);
    return () => narrow.removeEventListener('change', look);
  }, []);
  return phone;
}
