import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef } from 'preact/hooks';
import { dayOf } from '../format.ts';
import { t } from '../i18n/words.ts';
import { recalled, remember } from '../preferences.ts';
import { addressOf, go, place } from '../router.ts';

export type Filters = Readonly<Record<string, string>>;

/**
 * Filters stand in the address, so that a link shows the same; coming back without any brings the last ones. A period is
 * brought back on the same day alone: on the next, yesterday's would hide what is new.
 */
export function useFilters(screen: string): {
  readonly filters: Filters;
  readonly set: (change: Record<string, string>) => void;
  readonly clear: () => void;
} {
  const { query } = place.value;
  useEffect(() => {
    const kept = recalled(`filters.${screen}`);
    if (Object.keys(query).length > 0 || kept === null) return;
    const { from, to, ...rest } = Object.fromEntries(new URLSearchParams(kept));
    const isOfToday = recalled(`filters.${screen}.day`) === dayOf(Date.now());
    const params = { ...rest, ...(isOfToday && from ? { from } : {}), ...(isOfToday && to ? { to } : {}) };
    if (Object.keys(params).length > 0) go(addressOf(screen, params), { isStep: false });
  }, [screen]);
  const show = (wanted: Filters) => {
    const address = addressOf(screen, wanted);
    remember(`filters.${screen}`, address.split('?')[1] ?? '');
    remember(`filters.${screen}.day`, dayOf(Date.now()));
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
  isLabelHidden = false,
  hint = null,
}: FieldProps & {
  readonly type?: 'text' | 'date' | 'time' | 'datetime-local';
  readonly isLabelHidden?: boolean;
  readonly hint?: string | null;
  readonly width?: 'narrow' | 'wide';
  readonly placeholder?: string;
}) {
  const input = useRef<HTMLInputElement>(null);
  const hintId = useId();
  // Only where it changed: a list that comes in meanwhile must not take what is being typed.
  useLayoutEffect(() => {
    input.current!.value = value;
  }, [value]);
  return (
    <label class={`field ${width ?? ''}`}>
      <span class={isLabelHidden ? 'sr' : undefined}>{label}</span>
      <input
        ref={input}
        type={type as 'text'}
        placeholder={placeholder}
        maxLength={100}
        autocomplete="off"
        aria-describedby={hint === null ? undefined : hintId}
        onChange={(event) => onChange(event.currentTarget.value.trim())}
      />
      {hint !== null && (
        <small id={hintId} class="quiet">
          {hint}
        </small>
      )}
    </label>
  );
}
