/** Yes or no, with what it means. */
import { Icon } from './icons.tsx';

export function Check(props: {
  name: string;
  label: string;
  help?: string;
  error?: string;
  checked: boolean;
  onInput(checked: boolean): void;
}) {
  const { name, label, help, error, checked, onInput } = props;
  return (
    <div class="choices">
      <label class="choice">
        <input
          type="checkbox"
          name={name}
          id={name}
          checked={checked}
          aria-invalid={error ? true : undefined}
          aria-describedby={error ? `${name}-error` : undefined}
          onChange={(event) => onInput(event.currentTarget.checked)}
        />
        <span>{label}</span>
        {help && <span class="help">{help}</span>}
      </label>
      {error && (
        <p class="error" id={`${name}-error`}>
          <Icon shape="danger" size={16} />
          {error}
        </p>
      )}
    </div>
  );
}
