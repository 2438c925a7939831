import { signal } from '@preact/signals';
import type { Employee } from '../../../../core/ports.ts';
import { ask } from '../../api.ts';
import { t } from '../../i18n/words.ts';

type Colleague = Pick<Employee, 'id' | 'name' | 'extensions' | 'isActive'>;
export const staff = signal<readonly Colleague[]>([]);

let isAsked = false;
/** Asks once for the names of the house; lists show extensions until they are there. */
export function loadStaff(): void {
  if (isAsked) return;
  isAsked = true;
  ask<{ items: readonly Colleague[] }>('staff').then(
    ({ items }) => (staff.value = items),
    () => (isAsked = false),
  );
}

/** `Anna · 101`; the extension alone when nobody has it. */
export function showExtension(extension: string | null): string {
  if (extension === null) return t('extension.none');
  const employee = staff.value.find(({ extensions }) => extensions.includes(extension));
  return employee === undefined ? extension : `${employee.name} · ${extension}`;
}
export const nameOf = (id: string | null): string => staff.value.find((one) => one.id === id)?.name ?? id ?? '';
