/** Opens the CRMs of the configuration, and keeps what is known of their contacts and users. */
import { setImmediate } from 'node:timers/promises';
import type { Config } from '../../config.ts';
import type { ContactBook } from '../../core/contact-book.ts';
import { ContactMirror, forgettingDeleted } from '../../core/contact-mirror.ts';
import { CrmChecks } from '../../core/crm-checks.ts';
import { CrmSync } from '../../core/crm-sync.ts';
import type { StaffDirectory } from '../../core/employees.ts';
import type { CrmAdapter, CrmUser, Employee } from '../../core/ports.ts';
import { crmKinds, type BuiltCrm } from '../../crm/index.ts';
import type { KnownContact } from '../../web/ports.ts';
import type { Ground } from './ground.ts';

export interface OpenedCrm extends BuiltCrm {
  readonly entry: Config['crm'][number];
  readonly mirror: ContactMirror;
}

export interface OpenedCrms {
  readonly all: readonly OpenedCrm[];
  readonly names: readonly string[];
  /** Of the built-in CRM; null: there is none. */
  readonly book: ContactBook | null;
  readonly syncs: readonly CrmSync[];
  /** Null: not known yet. */
  usersOf(crm: string): readonly CrmUser[] | null;
  /** Begins to keep users and contacts fresh. */
  startSyncs(): void;
  /** Begins to look at how they do. */
  startChecks(): CrmChecks;
}

const crmSyncSettings = { everyMs: 5_000, fullEveryMs: 600_000 };

export async function openCrms(ground: Ground): Promise<OpenedCrms> {
  const { config, database, directory, plan, configured, withMobile, clock, log } = ground;
  const users = new Map<string, readonly CrmUser[]>();
  const all: OpenedCrm[] = [];
  for (const entry of config.crm) {
    const built = await crmKinds[entry.kind].create(entry.settings, {
      name: entry.name,
      db: database.knex,
      numbers: plan,
      clock,
      publicUrl: config.http.publicUrl,
      staff: () => directory.all(),
    });
    ground.onStop(() => built.adapter.close?.());
    all.push({ entry, ...built, mirror: new ContactMirror() });
  }
  const own = all.find((crm) => crm.book !== undefined);
  const book = own?.book === undefined ? null : forgettingDeleted(own.book, own.mirror);
  await book?.takeConfiguredEmployees(configured);
  const syncs = all.map(
    ({ adapter, book: ownBook, mirror }) =>
      new CrmSync({
        crm: watchUsers(adapter, { book: ownBook ?? null, usersOf: users, directory, configured, withMobile }),
        mirror,
        directory,
        settings: crmSyncSettings,
        clock,
        log: log.child({ crm: adapter.name }),
      }),
  );
  return {
    all,
    names: all.map((crm) => crm.entry.name),
    book,
    syncs,
    usersOf: (crm) => users.get(crm) ?? null,
    startSyncs() {
      for (const sync of syncs) {
        sync.start();
        ground.onStop(() => sync.stop());
      }
    },
    startChecks() {
      // The built-in one has nothing that could be set up wrongly elsewhere.
      const outside = all.flatMap(({ adapter, book: ownBook }) => (ownBook === undefined ? [adapter] : []));
      const checks = new CrmChecks({ crms: outside, clock, log });
      checks.start();
      ground.onStop(() => checks.stop());
      return checks;
    },
  };
}

/** The CRM as the synchronisation sees it: each new list of users is also what registration and the staff directory know. */
function watchUsers(
  adapter: CrmAdapter,
  known: {
    readonly book: ContactBook | null;
    readonly usersOf: Map<string, readonly CrmUser[]>;
    readonly directory: StaffDirectory;
    readonly configured: readonly Employee[];
    readonly withMobile: (employee: Employee) => Employee;
  },
): Pick<CrmAdapter, 'name' | 'listUsers' | 'listContacts'> {
  return {
    name: adapter.name,
    async listUsers() {
      const users = await adapter.listUsers();
      known.usersOf.set(adapter.name, users);
      if (known.book !== null) {
        const ids = new Set(known.configured.map((employee) => employee.id));
        const added = (await known.book.listEmployees()).filter((employee) => !ids.has(employee.id));
        known.directory.setEmployees([...known.configured, ...added.map(known.withMobile)]);
      }
      return users;
    },
    ...(adapter.listContacts === undefined
      ? {}
      : { listContacts: (since: Date | null, onGone?: (id: string) => void) => adapter.listContacts!(since, onGone) }),
  };
}

/** A list is narrowed by so many numbers; who looks for more is to say more. */
const numbersLimit = 300;
/** Contacts looked at before calls get their turn again. */
const contactsPerTurn = 5_000;

/** Numbers of contacts whose name or company has all these words; case and ё/е do not matter. */
export async function findNumbers(mirrors: readonly ContactMirror[], text: string): Promise<readonly string[]> {
  const fold = (words: string) => words.toLowerCase().replaceAll('ё', 'е');
  const words = fold(text).split(/\s+/).filter(Boolean);
  const numbers = new Set<string>();
  let seen = 0;
  for (const mirror of mirrors) {
    for (const { name, company, numbers: own } of mirror.all()) {
      if (++seen % contactsPerTurn === 0) await setImmediate();
      const folded = fold(`${name} ${company ?? ''}`);
      if (!words.every((word) => folded.includes(word))) continue;
      for (const number of own) numbers.add(number);
      if (numbers.size >= numbersLimit) return [...numbers].slice(0, numbersLimit);
    }
  }
  return [...numbers];
}

/** The first CRM that knows the number, from memory. */
export function contactIn(
  crms: readonly { readonly entry: { readonly name: string }; readonly mirror: ContactMirror }[],
  directory: StaffDirectory,
  number: string,
): KnownContact | null {
  for (const { entry, mirror } of crms) {
    const contact = mirror.find(number);
    if (contact === null) continue;
    const { name, company, url, responsibleId } = contact;
    const responsible = responsibleId === null ? null : (directory.byCrmUser(entry.name, responsibleId)?.name ?? null);
    return { name, company, url, crm: entry.name, responsible };
  }
  return null;
}
