import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ask } from '../../api.ts';
import { isAdmin } from '../../session.ts';

const crms = signal<readonly string[]>([]);
let isAsked = false;

/** The names of the configured CRMs, asked for once; empty until they are there, and for who may not know. */
export function useCrms(): readonly string[] {
  useEffect(() => {
    if (isAsked || !isAdmin()) return;
    isAsked = true;
    ask<{ items: readonly { readonly name: string }[] }>('crms').then(
      ({ items }) => (crms.value = items.map(({ name }) => name)),
      () => (isAsked = false),
    );
  }, []);
  return crms.value;
}
