import type { Call } from '../core/call.ts';
import type { Access } from './tokens.ts';

/** Who asks: a program with a token, or a person who signed in. */
export interface Visitor {
  readonly name: string;
  readonly access: Access;
  readonly role: 'admin' | 'supervisor' | 'own';
  /** Whose calls are shown; null: everybody's. */
  readonly extensions: readonly string[] | null;
}

/** A rule of what people who are no admins may ask of the API; everything else is for admins. */
const open: Readonly<Record<string, readonly Visitor['role'][]>> = {
  'GET /api/v1/calls': ['supervisor', 'own'],
  'GET /api/v1/calls/:source/:linkedId': ['supervisor', 'own'],
  'GET /api/v1/calls/:source/:linkedId/recordings': ['supervisor', 'own'],
  'POST /api/v1/calls/:source/:linkedId/recordings/played': ['supervisor', 'own'],
  'GET /api/v1/recordings/:id': ['supervisor', 'own'],
  'GET /api/v1/calls.csv': ['supervisor', 'own'],
  'POST /api/v1/missed/take': ['supervisor', 'own'],
  'POST /api/v1/call-back': ['supervisor', 'own'],
  'GET /api/v1/conversations': ['supervisor', 'own'],
  'GET /api/v1/live': ['supervisor', 'own'],
  'GET /api/v1/missed': ['supervisor', 'own'],
  'GET /api/v1/overview': ['supervisor', 'own'],
  'GET /api/v1/staff': ['supervisor', 'own'],
  'GET /api/v1/contacts': ['supervisor', 'own'],
  'GET /api/v1/contacts.csv': ['supervisor'],
  'POST /api/v1/contacts/import': ['supervisor'],
  'GET /api/v1/contacts/:id': ['supervisor', 'own'],
  'POST /api/v1/contacts': ['supervisor'],
  'PATCH /api/v1/contacts/:id': ['supervisor'],
  'GET /api/v1/leads': ['supervisor', 'own'],
  'POST /api/v1/leads': ['supervisor'],
  'PATCH /api/v1/leads/:id': ['supervisor'],
  'GET /api/v1/incoming-leads': ['supervisor'],
  'POST /api/v1/incoming-leads/:id/accept': ['supervisor'],
  'POST /api/v1/incoming-leads/:id/decline': ['supervisor'],
  'GET /api/v1/tasks': ['supervisor', 'own'],
  'POST /api/v1/tasks': ['supervisor', 'own'],
  'PATCH /api/v1/tasks/:id': ['supervisor', 'own'],
  'POST /api/v1/tasks/:id/complete': ['supervisor', 'own'],
};

/** `route` as the router knows it: with `:id`, never with what stands there. HEAD is as GET. */
export function isOpenTo(visitor: Visitor, method: string, route: string): boolean {
  if (visitor.role === 'admin') return true;
  return open[`${method === 'HEAD' ? 'GET' : method} ${route}`]?.includes(visitor.role) ?? false;
}

/** The call as this visitor sees it: without other people's conversations; null when nothing is left. */
export function showTo<Shown extends { readonly conversations: readonly { readonly extension: string | null }[] }>(
  { extensions }: Visitor,
  call: Shown,
): Shown | null {
  if (extensions === null) return call;
  const conversations = call.conversations.filter(
    ({ extension }) => extension !== null && extensions.includes(extension),
  );
  return conversations.length === 0 ? null : { ...call, conversations };
}

/** The recordings of the conversations that this visitor sees; whole files hold other people's parts as well. */
export function recordingsFor<Shown extends { readonly uniqueId: string | null }>(
  visitor: Visitor,
  call: Call | null,
  recordings: readonly Shown[],
): readonly Shown[] {
  if (visitor.extensions === null) return recordings;
  const seen = call === null ? null : showTo(visitor, call);
  return recordings.filter(({ uniqueId }) => seen?.conversations.some((one) => one.uniqueId === uniqueId) ?? false);
}
