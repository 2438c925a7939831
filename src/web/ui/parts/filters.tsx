import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/words.ts';
import { recalled, remember } from '../preferences.ts';
import { addressOf, go, place } from '../router.ts';

export type Filters = Readonly<Record<string, string>>;

/** Filters stand in the address, so that a link shows the same; coming back without any brings the last ones. */
export function useFilters(screen: string): {
  readonly filters: Filters;
  readonly set: (change: Record<string, string>) => void;
  readonly clear: () => void;
} {
  const { query } = place.value;
  useEffect(() => {
    const kept = recalled(`filters.${screen}`);
    if (Object.keys(query).length > 0 || kept === null) return;
    const params = Object.fromEntries(new URLSearchParams(kept));
    if (Object.keys(params).length > 0) go(addressOf(screen, params), { isStep: false });
  }, [screen]);
  const show = (wanted: Filters) => {
    const address = addressOf(screen, wanted);
    remember(`filters.${screen}`, address.split('?')[1] ?? '');
    go(address, { isStep: false });
  };
  return {
    filters: query,
    set: (change) =>
      show(Object.fromEntries(Object.entries({ ...query, ...change }).filter(([, value]) => value !== ''))),
    clear: () => show({}),
  };
}

const isPhone = () => matchMedia('(max-width: 820px)').matches;

/** The fields above a list; on a phone they stay folded until they are wanted. */
export function FilterBar(props: { readonly children: ComponentChildren; readonly isDense?: boolean }) {
  return (
    <details class={props.isDense ? 'filterbar dense' : 'filterbar'} open={!isPhone()}>
      <summary>{t('filter.title')}</summary>
      <div class="filters" role="search">
        {props.children}
      </div>
    </details>
  );
}

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export function Choice({
  label,
  value,
  onChange,
  options,
}: FieldProps & { readonly options: readonly (readonly [string, string])[] }) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([word, text]) => (
          <option key={word} value={word}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Takes effect when the person leaves the field or presses Enter. */
export function TextField({
  label,
  value,
  onChange,
  type = 'text',
  width,
  placeholder,
}: FieldProps & {
  readonly type?: 'text' | 'date' | 'datetime-local';
  readonly width?: 'narrow' | 'wide';
  readonly placeholder?: string;
}) {
  const input = useRef<HTMLInputElement>(null);
  // Only where it changed: a list that comes in meanwhile must not take what is being typed.
  useLayoutEffect(() => {
    input.current!.value = value;
  }, [value]);
  return (
    <label class={`field ${width ?? ''}`}>
      <span>{label}</span>
      <input
        ref={input}
        type={type as 'text'}
        placeholder={placeholder}
        maxLength={100}
        autocomplete="off"
        onChange={(event) => onChange(event.currentTarget.value.trim())}
      />
    </label>
  );
}
