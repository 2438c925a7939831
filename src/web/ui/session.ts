import { signal } from '@preact/signals';
import type { SessionAnswer } from '../routes/people.ts';
import type { Wire } from './wire.ts';

/** Who looks at the page; null until the server has told. */
export const session = signal<Wire<SessionAnswer> | null>(null);

export type Role = 'admin' | 'supervisor' | 'own';
export const isAdmin = () => session.value?.user?.role === 'admin';
