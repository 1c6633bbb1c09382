/** The text of a file into a field: nothing is sent until the form is. */
import { useState } from 'preact/hooks';
import { settingWords } from '#consoles/admin/web/words-app-settings.ts';

const mostBytes = 300_000;

export function FileText(props: { name: string; kinds: string; onText(text: string): void }) {
  const { name, kinds, onText } = props;
  const [fault, setFault] = useState<string>();
  const take = async (file: File | undefined) => {
    if (!file) return;
    if (file.size > mostBytes) {
      setFault(settingWords.tooLarge);
      return;
    }
    setFault(undefined);
    onText(await file.text());
  };
  return (
    <div class="file-text">
      <label for={`${name}-file`}>{settingWords.fromFile}</label>
      <input
        id={`${name}-file`}
        type="file"
        accept={kinds}
        onChange={(event) => void take(event.currentTarget.files?.[0])}
      />
      {fault && <p class="error">{fault}</p>}
    </div>
  );
}
