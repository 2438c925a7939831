import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiFault } from '../api.ts';
import { t } from '../i18n/words.ts';
import { explain, explainFields } from './notices.tsx';

interface FormDialogProps {
  readonly title: string;
  /** The word on the button; without it: save. */
  readonly submit?: string;
  readonly onClose: () => void;
  /** Rejects with what is shown; resolved, the dialog closes. */
  readonly onSubmit: (values: Readonly<Record<string, string>>) => Promise<unknown>;
  readonly children: ComponentChildren;
}

/** A form over the page; Escape closes it, the browser keeps the focus inside. */
export function FormDialog({ title, submit: submitWord, onClose, onSubmit, children }: FormDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    try {
      await onSubmit(Object.fromEntries([...form].map(([name, value]) => [name, String(value).trim()])));
      onClose();
    } catch (error) {
      const byField =
        error instanceof ApiFault ? explainFields(error, (field) => labelOf(dialog.current, field)) : null;
      setFault(byField ?? explain(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={title}>
      <form onSubmit={(event) => void submit(event)}>
        <h2>{title}</h2>
        {children}
        {fault !== null && (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
        <div class="row">
          <button type="button" onClick={onClose}>
            {t('action.cancel')}
          </button>
          <button class="primary" disabled={isBusy}>
            {submitWord ?? t('action.save')}
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** `numbers.0`, or `number` where one of several is wrong, as the form calls it; what has no place in the form stays as it came. */
function labelOf(dialog: HTMLDialogElement | null, field: string): string {
  const controls = dialog?.querySelector('form')?.elements;
  const name = field.split('.')[0]!;
  const control = controls?.namedItem(name) ?? controls?.namedItem(`${name}s`);
  const isLabelled = control instanceof HTMLInputElement || control instanceof HTMLSelectElement;
  return (isLabelled && control.labels?.[0]?.querySelector('span')?.textContent) || field;
}

interface InputProps {
  readonly name: string;
  readonly label: string;
  readonly value?: string;
  readonly type?: 'text' | 'password';
  readonly isRequired?: boolean;
}
export function Input({ name, label, value = '', type = 'text', isRequired = false }: InputProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        name={name}
        type={type as 'text'}
        defaultValue={value}
        required={isRequired}
        maxLength={1000}
        autocomplete="off"
      />
    </label>
  );
}

export function Select(props: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
}) {
  return (
    <label class="field">
      <span>{props.label}</span>
      <select name={props.name} defaultValue={props.value}>
        {props.options.map(([word, text]) => (
          <option key={word} value={word} selected={word === props.value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
